"""Steps of a task's plan: one lease, the ways that were chosen, and giving it back."""

from collections.abc import Iterator

from optimizer.cost_benefit.choices import Way
from optimizer.decisions.decision import ImplementationStep, Verification
from optimizer.decisions.figures import Candidate
from optimizer.decisions.levels import Basis
from optimizer.decisions.pareto_front import Front
from optimizer.decisions.steps import ALLOCATE, step
from optimizer.quantities import RESOURCES


def leasing_steps(chosen: Candidate, front: Front) -> list[ImplementationStep]:
    """What whoever runs the task does, from the lease to its end."""
    return [_reserve(chosen, front), *_ways(chosen, front), _use_and_release(front)]


def _reserve(chosen: Candidate, front: Front) -> ImplementationStep:
    """One lease of the chosen size, as far as it is free."""
    wanted = {basis.resource: (chosen.amounts[basis.resource], basis) for basis in front.considered}
    asked = {
        resource: amount if basis.state.available is None else min(amount, basis.state.available)
        for resource, (amount, basis) in wanted.items()
    }
    asks = {
        resource: _asked(amount, wanted[resource][1])
        for resource, amount in asked.items()
        if amount > 0
    }
    text = ", ".join(f'"{resource}": "{amount}"' for resource, amount in asks.items())
    short = [name for name, (amount, basis) in wanted.items() if _is_too_little(amount, basis)]
    if short:
        return step(
            "reserve",
            "wait_for_capacity",
            f"Less {' and '.join(short)} is free now than the work needs; call allocate with "
            "wait_s=45",
            target=front.snapshot.host,
        )
    full = ", ".join(resource for resource in asked if resource not in asks)
    without = f"; of {full} nothing is free now" if full else ""
    if not asks:
        return step(
            "reserve",
            "wait_for_capacity",
            "Nothing of what would be reserved is free now; call allocate with wait_s=45",
            target=front.snapshot.host,
        )
    return step(
        "reserve",
        "allocate",
        f"Reserve what is free of the chosen size: allocate(resources={{{text}}}){without}",
        target=front.snapshot.host,
        rollback="release_allocation with the allocation_id of this step",
        verify=Verification(metric="allocation.state", op="==", value="active", within_s=60),
        carried_out_by=ALLOCATE,
    ) | {"resources": asks}


def _is_too_little(amount: float, basis: Basis) -> bool:
    """Whether less is free than work needs that cannot run with less."""
    free = basis.state.available
    is_needed = basis.need is not None and RESOURCES[basis.resource].kind == "incompressible"
    return is_needed and free is not None and amount > free


def _ways(chosen: Candidate, front: Front) -> Iterator[ImplementationStep]:
    """What whoever runs the task has to do in each of the ways that were chosen."""
    for choice in front.job.choices:
        way = next(way for way in choice.ways if way.id == chosen.ways[choice.name])
        yield step(
            "choose",
            f"choose_{choice.name}",
            f"{way.text[0].upper()}{way.text[1:]}: {_expected(way)}",
            target=way.id,
        )


def _expected(way: Way) -> str:
    """The figures of a way for one task, in words."""
    usd = "cost unknown" if way.usd is None else f"{way.usd:.4g} USD"
    seconds = "time unknown" if way.seconds is None else f"{way.seconds:.3g} s"
    return f"expected {usd}, {seconds}, {way.p_failure:.2%} failing or wrong unnoticed"


def _asked(amount: float, basis: Basis) -> str:
    """An amount as allocate reads it, rounded down so that it still fits."""
    if basis.unit == "core":
        return f"{int(amount * 1000)}m"
    if basis.unit == "byte":
        return f"{int(amount // 2**20)} MiB"
    return f"{int(amount)} {basis.unit}"


def _use_and_release(front: Front) -> ImplementationStep:
    return step(
        "verification",
        "release",
        "Run the work under the lease, renew it while it runs, and call release_allocation after",
        target=front.snapshot.host,
        carried_out_by="release_allocation",
    )
