"""A set of options that together offer what is needed: the best one, exactly."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from optimizer.errors import InvalidRequestError

MAX_NODES = 200_000
"""Branches that the search looks at before it gives up; some seconds."""


@dataclass(frozen=True)
class Server:
    """An option as a member of a set.

    Attributes:
        id: The option.
        gains: Capability that it offers to what serving it is worth, in USD.
        fixed_cost: What having it in the set costs in USD: its tool list in context, its start.
        tokens: Tokens of its tool list.
        spends: Capability to what its calls cost in USD, for the budget.
    """

    id: str
    gains: Mapping[str, float]
    fixed_cost: float
    tokens: float = 0.0
    spends: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Cover:
    """A set of options.

    Attributes:
        serves: Capability to the option that serves it.
        missing: Capabilities that no affordable set offers: as few as possible.
        value: USD of the set.
    """

    serves: Mapping[str, str]
    missing: tuple[str, ...]
    value: float

    @property
    def ids(self) -> tuple[str, ...]:
        """The chosen options."""
        return tuple(sorted(set(self.serves.values())))


def best_cover(
    capabilities: Sequence[str],
    servers: Sequence[Server],
    *,
    max_tokens: float | None = None,
    budget_usd: float | None = None,
) -> Cover:
    """The set that covers most capabilities, and among those the most valuable.

    Args:
        capabilities: What is needed.
        servers: What could be in the set.
        max_tokens: Most tokens of tool lists together; None for no limit.
        budget_usd: Most USD for calls together; None for no limit.

    Returns:
        An optimal set: branch and bound proves it.

    Raises:
        InvalidRequestError: Too many equally good sets to prove the best one.
    """
    search = _CoverSearch(
        capabilities,
        servers,
        max_tokens=float("inf") if max_tokens is None else max_tokens,
        budget_usd=float("inf") if budget_usd is None else budget_usd,
    )
    return search.run()


class _CoverSearch:
    """Assigns capability after capability to a server, the scarcest capability first."""

    def __init__(
        self,
        capabilities: Sequence[str],
        servers: Sequence[Server],
        *,
        max_tokens: float,
        budget_usd: float,
    ) -> None:
        self._servers = {server.id: server for server in servers}
        self._max_tokens, self._budget_usd = max_tokens, budget_usd
        offers = {
            capability: sorted(server.id for server in servers if capability in server.gains)
            for capability in capabilities
        }
        self._order = sorted(offers, key=lambda capability: (len(offers[capability]), capability))
        self._offers = offers
        self._covering_is_worth = 1.0 + sum(
            server.fixed_cost + sum(abs(gain) for gain in server.gains.values())
            for server in servers
        )
        self._best: tuple[float, dict[str, str]] = (float("-inf"), {})
        self._nodes = 0

    def run(self) -> Cover:
        self._search(0, {}, 0.0, 0.0, 0.0)
        reached, serves = self._best
        return Cover(
            serves=serves,
            missing=tuple(sorted(c for c in self._order if c not in serves)),
            value=reached - self._covering_is_worth * len(serves),
        )

    def _best_possible(self, depth: int, opened: set[str]) -> float:
        """What the capabilities left can add at most.

        A server that is not in the set yet shares its fixed cost among all the capabilities left
        that it offers, which never overstates what one of them has to pay.
        """
        left = self._order[depth:]
        shares = {
            identifier: server.fixed_cost / max(1, sum(c in server.gains for c in left))
            for identifier, server in self._servers.items()
            if identifier not in opened
        }
        return sum(
            max(
                (
                    self._covering_is_worth
                    + self._servers[identifier].gains[capability]
                    - shares.get(identifier, 0.0)
                    for identifier in self._offers[capability]
                ),
                default=0.0,
            )
            for capability in left
        )

    def _search(
        self, depth: int, serves: dict[str, str], value: float, tokens: float, spent: float
    ) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise InvalidRequestError(
                f"the best set could not be proved among {len(self._servers)} candidates and "
                f"{len(self._order)} capabilities; give fewer of either. Nothing was analysed",
                field="available_mcps",
            )
        if depth == len(self._order):
            if value > self._best[0]:
                self._best = (value, serves)
            return
        opened = set(serves.values())
        if value + self._best_possible(depth, opened) <= self._best[0]:
            return
        capability = self._order[depth]
        for gain, identifier in self._by_gain(capability, opened):
            server = self._servers[identifier]
            more_tokens = 0.0 if identifier in opened else server.tokens
            more_spend = server.spends.get(capability, 0.0)
            if tokens + more_tokens > self._max_tokens or spent + more_spend > self._budget_usd:
                continue
            self._search(
                depth + 1,
                {**serves, capability: identifier},
                value + gain + self._covering_is_worth,
                tokens + more_tokens,
                spent + more_spend,
            )
        self._search(depth + 1, serves, value, tokens, spent)

    def _by_gain(self, capability: str, opened: set[str]) -> list[tuple[float, str]]:
        """What each server would add now, the most first; a set pays a server's fixed cost once."""
        gains = []
        for identifier in self._offers[capability]:
            server = self._servers[identifier]
            fixed = 0.0 if identifier in opened else server.fixed_cost
            gains.append((server.gains[capability] - fixed, identifier))
        return sorted(gains, key=lambda pair: (-pair[0], pair[1]))
