"""An order to try options in, or a set that covers what is needed; both exactly optimal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from optimizer.errors import InvalidRequestError

MAX_CHAIN = 40
MAX_NODES = 200_000
"""Branches that the search for a set looks at; about a second."""


@dataclass(frozen=True)
class Link:
    """An option as one attempt of a chain.

    Attributes:
        id: The option.
        success: Probability that the attempt does the task, 0 to 1.
        cost: What the attempt costs in USD, with waiting and context.
        spend: The part of it that is paid for calls, which a budget limits.
    """

    id: str
    success: float
    cost: float
    spend: float = 0.0


@dataclass(frozen=True)
class Chain:
    """Options to try in order until one succeeds.

    Attributes:
        ids: In the order to try.
        value: Expected USD: value of success less the cost of the attempts that are made.
        success: Probability that one of them succeeds, if they fail independently.
        spend: USD for calls when all of them are tried.
    """

    ids: tuple[str, ...]
    value: float
    success: float
    spend: float


def chain_value(links: Sequence[Link], value_usd: float) -> float:
    """Expected USD of trying the links in this order until one succeeds."""
    expected, reached = 0.0, 1.0
    for link in links:
        expected += reached * (link.success * value_usd - link.cost)
        reached *= 1 - link.success
    return expected


def best_chain(
    links: Sequence[Link], *, value_usd: float, budget_usd: float | None = None
) -> Chain:
    """The order of attempts with the highest expected value.

    Attempts that cost more than they promise are dropped; the rest go by success per cost, which
    is the best order for any set of attempts. A budget holds for trying all of them, and the best
    subset within it is found by branch and bound.

    Args:
        links: Attempts, which fail independently.
        value_usd: What success is worth.
        budget_usd: Most USD for the calls of the whole chain; None for no limit.

    Source: Mitten, Management Science 6 (1960), least-cost testing sequences.
    """
    worthwhile = [link for link in links if link.success * value_usd > link.cost]
    ordered = sorted(worthwhile, key=_by_success_per_cost)[:MAX_CHAIN]
    if budget_usd is not None:
        ordered = _within_budget(ordered, value_usd, budget_usd)
    failing = 1.0
    for link in ordered:
        failing *= 1 - link.success
    return Chain(
        ids=tuple(link.id for link in ordered),
        value=chain_value(ordered, value_usd),
        success=1 - failing,
        spend=sum(link.spend for link in ordered),
    )


def _by_success_per_cost(link: Link) -> tuple[float, str]:
    ratio = link.success / link.cost if link.cost > 0 else float("inf")
    return -ratio, link.id


def _within_budget(ordered: Sequence[Link], value_usd: float, budget_usd: float) -> list[Link]:
    """The subset, in the same order, of most value whose spend fits the budget."""
    bounds = [chain_value(ordered[i:], value_usd) for i in range(len(ordered) + 1)]
    best: tuple[float, list[Link]] = (0.0, [])

    def search(i: int, chosen: list[Link], spent: float, gained: float, reached: float) -> None:
        nonlocal best
        if gained > best[0]:
            best = (gained, chosen)
        if i == len(ordered) or gained + reached * bounds[i] <= best[0]:
            return
        link = ordered[i]
        if spent + link.spend <= budget_usd:
            following = gained + reached * (link.success * value_usd - link.cost)
            search(
                i + 1,
                [*chosen, link],
                spent + link.spend,
                following,
                reached * (1 - link.success),
            )
        search(i + 1, chosen, spent, gained, reached)

    search(0, [], 0.0, 0.0, 1.0)
    return best[1]


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
