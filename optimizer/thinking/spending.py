"""What one decision may spend on a language model, and what a request is counted as."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, Self

from optimizer.thinking.reply import Usage


class Purse(Protocol):
    """Our own pools of tokens and dollars."""

    async def reserve(self, decision_id: str, *, tokens: int, usd: float) -> str | None:
        """Set aside what a request may cost; None when it is not there."""

    async def settle(
        self, reservation: str, *, tokens: int, usd: float, is_estimated: bool
    ) -> None:
        """Spend what it did cost, and give the rest back.

        Args:
            reservation: What `reserve` answered.
            tokens: Tokens to spend.
            usd: Dollars to spend.
            is_estimated: Whether either is the reservation itself, because no usage came.
        """


class OpenPurse:
    """Says yes to everything: nobody keeps pools of tokens and dollars."""

    async def reserve(self, decision_id: str, *, tokens: int, usd: float) -> str | None:
        """Yes."""
        return decision_id

    async def settle(
        self, reservation: str, *, tokens: int, usd: float, is_estimated: bool
    ) -> None:
        """Nothing to keep."""


@dataclass(frozen=True)
class Allowance:
    """What one decision may spend on a language model.

    Attributes:
        thoughts: The most thoughts.
        tokens: Prompts and completions together.
        usd: Dollars; a request reserves the share of them that its tokens are of `tokens`.
        call_within: Deadline of one request.
        max_tokens: The most that the model may say in one thought; twice that in a repair.
    """

    thoughts: int = 4
    tokens: int = 2000
    usd: float = 0.02
    call_within: timedelta = timedelta(seconds=4)
    max_tokens: int = 160


@dataclass(frozen=True)
class Bill:
    """What one request is counted as: reported where known, else as reserved.

    Attributes:
        tokens: Tokens, reasoning included.
        usd: Dollars.
        told: What the server reported.
    """

    tokens: int
    usd: float
    told: Usage

    @classmethod
    def of(cls, told: Usage, *, tokens: int, usd: float) -> Self:
        """The bill of a request for which so much was reserved."""
        return cls(
            tokens=tokens if told.tokens is None else told.tokens,
            usd=usd if told.usd is None else told.usd,
            told=told,
        )

    @property
    def is_estimated(self) -> bool:
        """Whether some of it is counted as reserved."""
        return self.told.tokens is None or self.told.usd is None
