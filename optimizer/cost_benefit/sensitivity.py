"""Where the choice flips: the value of each input at which another option would be chosen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from typing_extensions import TypedDict

from optimizer.cost_benefit.candidate import Candidate
from optimizer.cost_benefit.figure import rounded
from optimizer.cost_benefit.limits import Check
from optimizer.cost_benefit.utility import Coefficients, utility


class SwitchPointView(TypedDict):
    """At which value of an input another option wins."""

    mcp_id: str
    input: str
    direction: str
    value: float | None
    statement: str


@dataclass(frozen=True)
class SwitchPoint:
    """An option wins when an input passes a value.

    Attributes:
        id: The option that then wins.
        input: Name of the input in the requirements.
        direction: `above` or `below`; `at_most` or `at_least` for a limit.
        value: The value.
        statement: The same in words.
    """

    id: str
    input: str
    direction: str
    value: float
    statement: str

    def view(self) -> SwitchPointView:
        """The point for an answer."""
        return {
            "mcp_id": self.id,
            "input": self.input,
            "direction": self.direction,
            "value": rounded(self.value),
            "statement": self.statement,
        }


Change = Callable[[Coefficients, float], Coefficients]


def _with_calls(task: Coefficients, calls: float) -> Coefficients:
    return replace(task, calls=calls, turns=max(1.0, task.turns + calls - task.calls))


_INPUTS: tuple[tuple[str, str, Change, Callable[[Coefficients], float], float], ...] = (
    (
        "value_of_success_usd",
        "USD",
        lambda task, x: replace(task, value_usd=x),
        lambda task: task.value_usd,
        0.0,
    ),
    ("expected_calls", "calls", _with_calls, lambda task: task.calls, 1.0),
    (
        "usd_per_second_waiting",
        "USD per second",
        lambda task, x: replace(task, waiting_usd_per_s=x),
        lambda task: task.waiting_usd_per_s,
        0.0,
    ),
)
"""Name, unit, how to change it, its present value, its least value."""


def switch_points(
    winner: Candidate, others: Sequence[Candidate], task: Coefficients
) -> list[SwitchPoint]:
    """The nearest value of each coefficient, in both directions, at which another option wins.

    The utility is linear in each of them, so the first option that crosses the winner is the next
    one to win.

    Args:
        winner: The chosen option.
        others: Options that no limit rejects.
        task: The coefficients in force.
    """
    points = []
    for name, unit, change, current, least in _INPUTS:
        crossings = _crossings(winner, others, task, change, current(task))
        above = [pair for pair in crossings if pair[0] > current(task)]
        below = [pair for pair in crossings if least <= pair[0] < current(task)]
        nearest = [("above", min(above, default=None)), ("below", max(below, default=None))]
        for direction, pair in nearest:
            if pair is not None:
                value, identifier = pair
                statement = f"{identifier} wins if {name} is {direction} {value:.3g} {unit}"
                points.append(SwitchPoint(identifier, name, direction, value, statement))
    return points


def _crossings(
    winner: Candidate,
    others: Sequence[Candidate],
    task: Coefficients,
    change: Change,
    current: float,
) -> list[tuple[float, str]]:
    """Where each other option's line crosses the winner's."""

    def lead(candidate: Candidate, x: float) -> float:
        at_x = change(task, x)
        return (
            utility(winner.option, winner.beliefs, at_x).net
            - utility(candidate.option, candidate.beliefs, at_x).net
        )

    found = []
    for candidate in others:
        here, further = lead(candidate, current), lead(candidate, current + 1)
        slope = further - here
        if abs(slope) > 1e-15:
            found.append((current - here / slope, candidate.id))
    return found


def limit_switch_points(
    winner: Candidate | None, rejected: Sequence[Candidate]
) -> list[SwitchPoint]:
    """What to relax for an option that a single limit keeps from winning, once per limit.

    Args:
        winner: The chosen option; None when every option is rejected.
        rejected: Options that a limit rejects.
    """
    best: dict[str, tuple[Candidate, Check]] = {}
    for candidate in rejected:
        if len(candidate.broken) != 1 or candidate.unchecked:
            continue
        check = candidate.broken[0]
        would_win = winner is None or candidate.terms.net > winner.terms.net or winner.unchecked
        if check.actual is None or not would_win:
            continue
        known = best.get(check.limit)
        if known is None or candidate.order[2:] < known[0].order[2:]:
            best[check.limit] = (candidate, check)
    return [_relaxed(candidate, check) for _, (candidate, check) in sorted(best.items())]


def _relaxed(candidate: Candidate, check: Check) -> SwitchPoint:
    assert check.actual is not None
    assert check.allowed is not None
    is_upper = check.actual > check.allowed
    direction, word = ("at_least", "at least") if is_upper else ("at_most", "at most")
    statement = f"{candidate.id} wins if {check.limit} is {word} {check.actual:.4g}"
    return SwitchPoint(candidate.id, check.limit, direction, check.actual, statement)


def break_even(winner: Candidate, runner_up: Candidate, calls: float) -> float | None:
    """USD per call below which a winner of unknown cost stays first; None if it is known."""
    if winner.option.cost_usd.is_known or calls <= 0:
        return None
    return (winner.terms.net - runner_up.terms.net + winner.terms.calls) / calls
