"""Steps of a machine's plan: leases and quotas first, then capacity, then what can wait."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from optimizer.decisions.decision import ImplementationStep, Verification
from optimizer.decisions.figures import Candidate
from optimizer.decisions.levels import Basis
from optimizer.decisions.pareto_front import Front
from optimizer.decisions.placing import host_moves
from optimizer.decisions.reallocation import Shrink, fair_quota, is_crowded, shrinks
from optimizer.decisions.recommend import TARGET_PROBABILITY
from optimizer.decisions.snapshot import QuietWindow, ResourceState
from optimizer.decisions.steps import (
    DEFERRAL,
    LEASES,
    OPERATOR,
    QUOTAS,
    UNIX_SECONDS,
    VERIFY_WITHIN_S,
    step,
)
from optimizer.quantities import RESOURCES, format_amount

_USAGE = {"cpu": "cpu_usage", "memory": "memory_usage", "storage": "storage_usage"}


@dataclass(frozen=True)
class _Move:
    """One resource from one amount to another."""

    basis: Basis
    level: float

    @property
    def target(self) -> float:
        return self.level * self.basis.amount


def moving_steps(chosen: Candidate, front: Front) -> list[ImplementationStep]:
    """What moves a machine, or several, from what is to what was chosen.

    Leases give back what they do not use first. What grows is moved before what shrinks, so that at
    no moment there is less than before of everything. A step that nothing here can carry out is
    advice and says so.

    Returns:
        At least one step; a single one that keeps everything when nothing changes.
    """
    moves = _moves(chosen, front)
    steps = [
        *_reallocation(chosen, front),
        *_resize(moves, front),
        *_host_moves(chosen, front),
        *_deferral(chosen, front),
    ]
    return [_preparation(moves, front), *steps, _verification(front)] if steps else [_keep(front)]


def _moves(chosen: Candidate, front: Front) -> list[_Move]:
    moves = [_Move(basis, chosen.levels[basis.resource]) for basis in front.considered]
    return sorted((move for move in moves if move.level != 1), key=lambda move: move.level < 1)


def _preparation(moves: Sequence[_Move], front: Front) -> ImplementationStep:
    today = ", ".join(
        f"{move.basis.resource} {format_amount(move.basis.amount, move.basis.unit)}"
        for move in moves
    )
    look = (
        "Health is critical, and this plan is made for that"
        if front.snapshot.health == "critical"
        else "Call get_health and go on unless it is critical"
    )
    return step(
        "preparation",
        "preparation",
        f"{look}; note today's amounts to go back to: {today}" if today else look,
        verify=not_critical(front, within_s=60),
    )


def not_critical(front: Front, *, within_s: int) -> Verification | None:
    """That the machine is not in trouble; nothing where it is already, for then that is why."""
    if front.snapshot.health == "critical":
        return None
    return Verification(metric="health", op="!=", value="critical", within_s=within_s)


def _reallocation(chosen: Candidate, front: Front) -> Iterator[ImplementationStep]:
    """Leases that give back what they do not use, and a quota where one principal holds most.

    Only where it is needed: hardly anything is free, or the machine gets smaller than its leases.
    Budgets have quotas like everything else.
    """
    for basis in front.considered:
        state = basis.state
        if front.movable is not None and state.resource not in front.movable:
            continue
        shrinks_below = chosen.amounts[basis.resource] < state.leased
        if shrinks_below or is_crowded(state):
            yield from (_shrink_step(shrink, state) for shrink in shrinks(state, front.rules))
        yield from _quota(state, front)
    for state in front.snapshot.budgets:
        if front.movable is None or state.resource in front.movable:
            yield from _quota(state, front)


def _quota(state: ResourceState, front: Front) -> Iterator[ImplementationStep]:
    quota = fair_quota(state, front.rules)
    if quota is not None:
        yield _quota_step(state, quota)


def _shrink_step(shrink: Shrink, state: ResourceState) -> ImplementationStep:
    name, resource, unit = shrink.lease.name, state.resource, state.unit
    held, keeps, used = (
        format_amount(amount, unit) for amount in (shrink.lease.held, shrink.to, shrink.lease.used)
    )
    return step(
        "reallocate",
        "shrink_lease",
        f"Let {name} hold {keeps} of {resource} instead of {held}; its processes use {used}",
        target=f"{name}:{resource}",
        change=(shrink.lease.held, shrink.to, unit),
        rollback=f"Let it hold {held} again, as far as that is free",
        verify=Verification(metric="lease.granted", op="==", value=shrink.to, within_s=0),
        carried_out_by=LEASES,
    )


def _quota_step(state: ResourceState, quota: float) -> ImplementationStep:
    resource, unit = state.resource, state.unit
    most = format_amount(quota, unit)
    now = "no quota" if state.quota is None else format_amount(state.quota, unit)
    return step(
        "reallocate",
        "set_quota",
        f"Let nobody hold more than {most} of {resource} from the next request on (now {now}): "
        f"one principal holds {format_amount(state.largest_holding, unit)}, and "
        f"{format_amount(state.available or 0.0, unit)} is free",
        target=f"*:{resource}",
        change=(state.quota, quota, unit),
        rollback=f"Go back to {now}",
        verify=Verification(metric="quota", op="==", value=quota, within_s=0),
        carried_out_by=QUOTAS,
    )


def _host_moves(chosen: Candidate, front: Front) -> Iterator[ImplementationStep]:
    """Leases that have room on another host and none where they are."""
    if front.scope != "global_level" or front.movable is not None:
        return
    for move in host_moves(chosen, front):
        lease = move.lease
        held = ", ".join(
            f"{name} {format_amount(amount, RESOURCES[name].unit)}"
            for name, amount in lease.held.items()
        )
        yield step(
            "reallocate",
            "move_lease",
            f"Let {lease.name} ({held}) run on {move.to} instead of {lease.host}, which will run "
            "short; nothing here moves running work, so it is advice for whoever holds it",
            target=f"{lease.name}:{move.to}",
            rollback=f"Let it run on {lease.host} again",
            carried_out_by=OPERATOR,
        )


def _resize(moves: Sequence[_Move], front: Front) -> list[ImplementationStep]:
    return [_resize_step(move, front.snapshot.host) for move in moves]


def _resize_step(move: _Move, host: str) -> ImplementationStep:
    basis = move.basis
    before, after = (format_amount(amount, basis.unit) for amount in (basis.amount, move.target))
    lever = basis.lever
    host = basis.state.host or host
    resource = basis.state.resource
    verb = "Raise" if move.level > 1 else "Lower"
    advice = "" if lever else "; nothing here can do that, so it is advice for the operator"
    return step(
        "resize",
        f"{'increase' if move.level > 1 else 'decrease'}_{resource}",
        f"{verb} {resource} of {host} from {before} to {after} (x{move.level:g}){advice}",
        target=f"{host}:{resource}",
        change=(basis.amount, move.target, basis.unit),
        rollback=f"Set {resource} of {host} back to {before}",
        verify=_expected_use(basis.state, move.target),
        carried_out_by=lever.actuator if lever else OPERATOR,
    )


def _expected_use(state: ResourceState, amount: float) -> Verification | None:
    """The use to stay under: the highest forecast quantile as a share of the new amount.

    None on another machine, whose use is not watched here.
    """
    metric = _USAGE.get(state.resource)
    if metric is None or amount <= 0 or state.host is not None:
        return None
    expected = state.outlook[-1].amount if state.outlook else state.demand
    if expected is None:
        return None
    share = min(100.0, 100 * expected / amount)
    return Verification(metric=metric, op="<=", value=round(share, 1), within_s=VERIFY_WITHIN_S)


def _deferral(chosen: Candidate, front: Front) -> list[ImplementationStep]:
    """Move work that can wait, when what was chosen may still run out at the peak."""
    windows = front.snapshot.quiet_windows
    if not windows or chosen.exhaustion is None or chosen.exhaustion[1] <= TARGET_PROBABILITY:
        return []
    quiet = windows[0]
    return [
        step(
            "defer",
            "defer_movable_work",
            f"Start work that can wait between {_moment(quiet)} and {quiet.end:%H:%M} UTC: "
            f"{quiet.description}; until then requests of low priority get no lease",
            target=front.snapshot.host,
            change=(None, quiet.start.timestamp(), UNIX_SECONDS),
            rollback="Start it at once",
            verify=Verification(metric="deferral", op="==", value=_moment(quiet), within_s=0),
            carried_out_by=DEFERRAL,
        )
    ]


def _moment(quiet: QuietWindow) -> str:
    return f"{quiet.start:%Y-%m-%d %H:%M}"


def _verification(front: Front) -> ImplementationStep:
    return step(
        "verification",
        "verification",
        "Compare get_health with the verify figures of the steps above; roll a step back when its "
        "figure is not reached in time",
        target=front.snapshot.host,
        verify=not_critical(front, within_s=VERIFY_WITHIN_S),
    )


def _keep(front: Front) -> ImplementationStep:
    amounts = ", ".join(
        f"{basis.resource} {format_amount(basis.amount, basis.unit)}"
        for basis in front.considered
        if len(basis.levels) > 1
    )
    return step(
        "keep",
        "keep",
        f"Change nothing: {amounts or 'what there is'} is the best choice under these limits",
        target=front.snapshot.host,
    )
