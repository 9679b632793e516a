"""What reported calls used: tokens and dollars, added up over a while."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Spent:
    """Sums over calls.

    Attributes:
        calls: How many there were.
        calls_with_tokens: Of how many the tokens are known.
        tokens: Of these.
        calls_with_usd: Of how many the cost is known.
        usd: Of these, in US dollars.
    """

    calls: int = 0
    calls_with_tokens: int = 0
    tokens: float = 0.0
    calls_with_usd: int = 0
    usd: float = 0.0
