"""An order to try options in until one succeeds: the best one, exactly."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MAX_CHAIN = 40
"""The rest of a longer one, which is next to never reached, is cut."""

ROUNDING = 1e-12
"""Part of a budget that adding up may miss it by: 0.1 + 0.2 is within 0.3."""

MAX_KEPT = 20_000
"""Chains that are compared at once. Servers have a few thousand; where more differ, of those whose
worth differs by less than a 20,000th of the best the cheapest is kept."""


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
    is the best order for any set of attempts. A budget holds for trying all of them.

    Args:
        links: Attempts, which fail independently.
        value_usd: What success is worth.
        budget_usd: Most USD for the calls of the whole chain; None for no limit.

    Source: Mitten, Management Science 6 (1960), least-cost testing sequences.
    """
    worthwhile = [link for link in links if link.success * value_usd > link.cost]
    ordered = sorted(worthwhile, key=_by_success_per_cost)
    if budget_usd is not None:
        ordered = _within_budget(ordered, value_usd, budget_usd)
    ordered = ordered[:MAX_CHAIN]
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
    """The subset, in the same order, of most value whose spend fits the budget.

    From the last link backwards, the chains that could follow are kept by what they spend and what
    they are worth. A link before a chain of worth v makes it worth (p V - c) + (1 - p) v, which
    grows with v, so a chain that spends more than another and is worth no more is left out.

    Source: Nemhauser & Ullmann, Management Science 15 (1969), 494-505.
    """
    most = budget_usd * (1 + ROUNDING)
    spends, worths = np.zeros(1), np.zeros(1)
    steps = []
    for link in reversed(ordered):
        fitting = int(np.searchsorted(spends, most - link.spend, side="right"))
        gain = link.success * value_usd - link.cost
        spends = np.concatenate([spends[:fitting] + link.spend, spends])
        worths = np.concatenate([gain + (1 - link.success) * worths[:fitting], worths])
        by_spend = np.lexsort((-worths, spends))
        reached = np.maximum.accumulate(worths[by_spend])
        kept = by_spend[np.append(True, reached[1:] > reached[:-1])]
        if kept.size > MAX_KEPT:
            steps_up = np.floor(worths[kept] * (MAX_KEPT / reached[-1]))
            kept = kept[np.append(True, steps_up[1:] > steps_up[:-1])]
        spends, worths = spends[kept], worths[kept]
        steps.append((kept, fitting))
    chosen = []
    at = len(worths) - 1
    for link, (kept, fitting) in zip(ordered, reversed(steps), strict=True):
        is_taken = kept[at] < fitting
        if is_taken:
            chosen.append(link)
        at = kept[at] - (0 if is_taken else fitting)
    return chosen
