"""An order to try options in until one succeeds: the best one, exactly."""

from collections.abc import Sequence
from dataclasses import dataclass

MAX_CHAIN = 40


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
