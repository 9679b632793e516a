"""Levels to the trade-off between cost, response time and risk: no point of it is beaten in all.

The front depends on the snapshot and on how far resources may grow, and on no objective and no
other limit. So it is built once, and requests filter it.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.decisions.decision import ParetoPoint
from optimizer.decisions.figures import Candidate, Options, figure, tabulate
from optimizer.decisions.job import NO_JOB, Job
from optimizer.decisions.levels import Basis, Rules, bases, is_lease_scope
from optimizer.decisions.request import Scope
from optimizer.decisions.snapshot import Snapshot
from optimizer.statistics import FloatArray

IndexArray = NDArray[np.intp]

FEW_VALUES = 64
"""Different values of the second figure up to which comparing them all at once is fastest."""

MOST_SHOWN = 20
"""Points of the front in one answer."""


@dataclass(frozen=True)
class Front:
    """The trade-off that a decision chooses from.

    Attributes:
        snapshot: What it was built from.
        scope: What may be moved.
        rules: The levels that were considered.
        considered: The resources and their levels.
        movable: The only resources that may move; None for every one that can.
        job: The task's choices, and what its session has spent.
        candidates: The undominated choices, by ascending spend.
        today: The choice that changes nothing; it may be dominated, and then is no candidate.
        choices: The candidates, and today's where it is none of them: an emergency may find that
            only doing nothing is possible at once.
        shown: At most `MOST_SHOWN` of the candidates, as decisions show them.
    """

    snapshot: Snapshot
    scope: Scope
    rules: Rules
    considered: tuple[Basis, ...]
    movable: frozenset[str] | None
    job: Job
    candidates: tuple[Candidate, ...]
    today: Candidate
    choices: tuple[Candidate, ...]
    shown: tuple[ParetoPoint, ...]


def build_front(
    snapshot: Snapshot,
    scope: Scope,
    *,
    rules: Rules,
    max_increase: float | None,
    movable: frozenset[str] | None = None,
    job: Job = NO_JOB,
) -> Front:
    """Find every undominated choice of levels.

    A probability is at most 1, so what lies beyond a sum of 1 is compared as 1.

    Args:
        snapshot: What is known.
        scope: What may be moved.
        rules: Levels to consider.
        max_increase: Most that a resource may grow, as a fraction; None for as far as levels go.
        movable: Only these resources may move; None for every one that can.
        job: The task's choices, and what its session has spent.

    Returns:
        The exact front over (spend, response time, risk).
    """
    considered = bases(
        snapshot, scope, rules=rules, max_increase=max_increase, movable=movable, needs=job.needs
    )
    workload = snapshot.workload
    if "cpu" in job.needs:  # Measured response times are those of the machine's requests.
        workload = workload.model_copy(update={"response_time_ms": None})
    options = tabulate(considered, workload, job)
    unchanged = _unchanged(scope, job)
    today = figure(options, [0] * len(options), workload, unchanged=unchanged)
    is_limited = job.session is not None and job.session.left_usd is not None
    picks, sums = merge([_points(table, with_usd=is_limited) for table in options])
    sums[:, 2] = np.minimum(sums[:, 2], 1.0)
    candidates = tuple(
        figure(options, chosen, workload, today=today, unchanged=unchanged)
        for chosen in picks[undominated(sums)].tolist()
    )
    kept = any(candidate.id == today.id for candidate in candidates)
    choices = candidates if kept else (*candidates, today)
    return Front(
        snapshot,
        scope,
        rules,
        considered,
        movable,
        job,
        candidates,
        today,
        choices,
        show(candidates),
    )


def _unchanged(scope: Scope, job: Job) -> str:
    """What the choice is called whose levels are all 1."""
    if not is_lease_scope(scope):
        return "no_change"
    return "as_needed" if job.needs else "all_free"


def show(candidates: Sequence[Candidate]) -> tuple[ParetoPoint, ...]:
    """The front as decisions show it: thinned evenly where it is long, with both its ends."""
    count = min(MOST_SHOWN, len(candidates))
    places = np.unique(np.linspace(0, len(candidates) - 1, count).round().astype(int))
    return tuple(_point(candidates, place) for place in places.tolist())


def _point(candidates: Sequence[Candidate], place: int) -> ParetoPoint:
    candidate = candidates[place]
    dearer = candidates[place + 1] if place + 1 < len(candidates) else None
    here, there = candidate.cost_usd_month, dearer.cost_usd_month if dearer else None
    return ParetoPoint(
        id=candidate.id,
        amounts={resource: candidate.amounts[resource] for resource in candidate.changes},
        cost_usd_month=here,
        performance=candidate.performance,
        reliability=candidate.reliability,
        usd_month_to_next=None if here is None or there is None else there - here,
    )


def _points(options: Options, *, with_usd: bool) -> FloatArray:
    """Spend, stretch and probability of exhaustion of each level, shape (levels, 3).

    With dollars of a task as a fourth figure where its session's budget limits them.
    """
    unknown = (0.0,) * len(options.spend)
    exhaustion = unknown if options.exhaustion is None else options.exhaustion
    figures = [options.spend, options.stretch, exhaustion]
    if with_usd:
        ways = options.choice.ways if options.choice is not None else ()
        figures.append(tuple(way.usd or 0.0 for way in ways) or unknown)
    return np.array(figures, dtype=np.float64).T


def merge(tables: Sequence[FloatArray]) -> tuple[IndexArray, FloatArray]:
    """Choose one row of every table so that the sums are undominated.

    All three figures add up, so a partial choice that is dominated stays dominated whatever is
    added to it, and is dropped at once. The answer is exact.

    Args:
        tables: One for each lever, shape (levels, figures), 3 or 4 figures, each better when
            smaller, none NaN.

    Returns:
        Chosen rows, shape (front, tables), and their sums, shape (front, figures), by ascending
        first figure. Of choices whose sums are all equal, the one with the smallest row numbers is
        kept.
    """
    sums: FloatArray = np.zeros((1, tables[0].shape[1] if tables else 3))
    picks: IndexArray = np.zeros((1, 0), dtype=np.intp)
    for table in tables:
        rows = np.tile(np.arange(len(table)), len(sums))
        sums = np.repeat(sums, len(table), axis=0) + table[rows]
        picks = np.column_stack([np.repeat(picks, len(table), axis=0), rows])
        keep = undominated(sums)
        sums, picks = sums[keep], picks[keep]
    return picks, sums


def undominated(points: FloatArray) -> IndexArray:
    """Which points no other is at least as good as in all figures.

    Args:
        points: Shape (n, 3), or more figures of few points; each better when smaller, no NaN.

    Returns:
        Positions by ascending first figure; of equal points the first.
    """
    order = np.lexsort(points.T[::-1])
    if points.shape[1] > 3:
        return order[_one_by_one(points[order])]
    if np.unique(points[:, 1]).size > FEW_VALUES:
        return order[_below_stairs(points[order, 1:])]
    second, third = points[order, 1], points[order, 2]
    survives = np.zeros(len(order), dtype=bool)
    # Points before this one in the order are no worse in the first figure. Among those that are no
    # worse in the second either, none may reach the third. The second has few distinct values: only
    # CPU changes the response time.
    for value in np.unique(second):
        reached = np.minimum.accumulate(np.where(second <= value, third, np.inf))
        best_before = np.concatenate(([np.inf], reached[:-1]))
        mine = second == value
        survives |= mine & (third < best_before)
    return order[survives]


def _below_stairs(points: FloatArray) -> list[int]:
    """Of points in the order of a first figure, those that no earlier one reaches in the other two.

    Args:
        points: Shape (n, 2), each figure better when smaller.

    Source: Kung, Luccio & Preparata, Journal of the ACM 22 (1975) 469-476.
    """
    second: list[float] = []  # The front so far: ascending here,
    third: list[float] = []  # and descending here.
    found = []
    for place, (x, y) in enumerate(points.tolist()):
        step = bisect_right(second, x)
        if step and third[step - 1] <= y:
            continue
        found.append(place)
        beaten = step - 1 if step and second[step - 1] == x else step
        end = beaten
        while end < len(third) and third[end] >= y:
            end += 1
        second[beaten:end], third[beaten:end] = [x], [y]
    return found


def _one_by_one(points: FloatArray) -> list[int]:
    """Of points in the order of their figures, those that no earlier one reaches in all of them."""
    kept = np.empty_like(points)
    found: list[int] = []
    for place, point in enumerate(points):
        if not (kept[: len(found)] <= point).all(axis=1).any():
            kept[len(found)] = point
            found.append(place)
    return found
