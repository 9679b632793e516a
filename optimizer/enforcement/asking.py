"""What is asked of the allocator for a command, and what is said of its answer. Pure."""

from collections.abc import Sequence

from optimizer.allocation.lease import Allocation
from optimizer.enforcement.order import RunOrder
from optimizer.enforcement.usual import PastRun, usual_of

UNRESERVED = "no core is free, so none is reserved: name --cpu to be refused, --wait to wait"
UNRESERVED_STILL = "no core became free, so none is reserved: name --cpu to be refused instead"


def sizes_of(
    order: RunOrder, past: Sequence[PastRun], *, is_server: bool
) -> tuple[dict[str, float | str], str]:
    """What to ask for, and why where nobody said it."""
    given = dict(order.resources)
    usual = usual_of(past, given=given, is_server=is_server)
    units = {"cpu": "cores", "memory": "B"}
    guessed = {name: f"{amount!r} {units[name]}" for name, amount in usual.resources.items()}
    return guessed | given, f" ({usual.why})" if usual.why else ""


def risk_of(allocation: Allocation) -> str:
    """What is risked with ranges, in the words of the command line."""
    risks = [f"{name} {risk:.1%}" for name, risk in allocation.burst_risk.items()]
    return f"; risk that bursts are throttled: {', '.join(risks)}" if risks else ""


def lacks_guessed_cpu(allocation: Allocation, order: RunOrder) -> bool:
    """Whether only our guess of its CPU keeps a command from starting, which is slow without it."""
    refused = allocation.allocation_id is None and allocation.binding_resource == "cpu"
    return refused and "cpu" not in order.resources


def advice_of(refused: Allocation) -> str:
    """What can be done about a refusal, in the words of the command line."""
    later = [other.wait_s for other in refused.alternatives if other.wait_s > 0]
    if later:
        return f"--wait waits for room, which there may be in {later[0]:.0f} s."
    last = refused.next.rpartition(", or ")[2]
    if "wait_s" not in refused.next and "min_fraction" not in last:
        return f"{last[:1].upper()}{last[1:]}."
    if refused.alternatives:
        return "Ask for less, or wait with --wait."
    return (
        f"--wait waits for room; when there is some is not known: {refused.unknown['fits_in_s']}."
    )
