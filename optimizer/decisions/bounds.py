"""Each figure of a choice with its interval."""

from collections.abc import Iterator

from optimizer.decisions.figures import Candidate
from optimizer.decisions.pareto_front import Front
from optimizer.decisions.performance import improvement
from optimizer.prices import monthly_cost

Bounds = tuple[float, float]


def cost_bounds(chosen: Candidate, front: Front) -> Bounds | None:
    """US dollars a month by the least and the most that prices and attempts may come to.

    Capacity varies by the spread of its price, which is 0 unless the price table states one; a way
    by the 90 % interval of how many attempts it takes.

    Returns:
        None where the cost is not known.
    """
    cost = chosen.cost_usd_month
    if cost is None:
        return None
    spreads = [*_of_capacity(chosen, front), *_of_ways(chosen, front)]
    less, more = (sum(spread[end] for spread in spreads) for end in (0, 1))
    return max(0.0, cost - less), cost + more


def _of_capacity(chosen: Candidate, front: Front) -> Iterator[Bounds]:
    """How much less and how much more each resource may cost."""
    for basis in front.considered:
        price = basis.state.price
        if price is not None and price.spread and basis.state.charged_otherwise is None:
            usd = monthly_cost(price, chosen.amounts[basis.resource], basis.unit)
            by = usd * front.job.held_share * price.spread
            yield by, by


def _of_ways(chosen: Candidate, front: Front) -> Iterator[Bounds]:
    """How much less and how much more each way may cost."""
    times = front.job.times_per_month
    for choice in front.job.choices:
        way = next(way for way in choice.ways if way.id == chosen.ways[choice.name])
        if way.usd is not None and way.usd_interval is not None:
            low, high = way.usd_interval
            yield times * (way.usd - low), times * (high - way.usd)


def reliability_bounds(chosen: Candidate) -> Bounds | None:
    """By the cautious and by the kindest reading of the evidence."""
    if chosen.reliability is None or chosen.reliability_best is None:
        return None
    return chosen.reliability, chosen.reliability_best


def performance_bounds(chosen: Candidate, front: Front) -> Bounds | None:
    """The improvement at the ends of the forecast band; None where a demand fills the cores."""
    cpu = front.snapshot.state("cpu")
    if front.job.is_timed or "cpu" in front.job.needs:
        return None
    if front.scope == "global_level" and front.snapshot.elsewhere:
        return None
    if cpu is None or not cpu.outlook or front.snapshot.workload.service_time_s is not None:
        return None
    band = [q.amount for q in cpu.outlook if q.probability in (0.1, 0.9)]
    found = [improvement(max(0.0, amount), front.today.cores, chosen.cores) for amount in band]
    known = [value for value in found if value is not None]
    return (min(known), max(known)) if len(known) == 2 else None
