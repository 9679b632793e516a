"""Where a choice flips when one number of it changes, for choices without a closed form."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from typing_extensions import TypedDict

from optimizer.cost_benefit.figure import rounded

STEPS = 60
REACH = 1000.0


class Flip(TypedDict):
    """The nearest value of an input at which another option would be chosen."""

    input: str
    direction: str
    value: float | None
    chosen: str
    statement: str


def nearest_flips(
    name: str, unit: str, current: float, choose: Callable[[float], str], *, most: float
) -> list[Flip]:
    """The nearest flip below and above the present value.

    Looks from the present value to a thousandth and to a thousandfold in steps of 12 %, then
    halves the step in which the choice changed until it is known to six digits.

    Args:
        name: The input.
        unit: Its unit, for the statement.
        current: Its present value, above 0; 0 has no flips below and none by ratio above.
        choose: What is chosen at a value of it.
        most: The largest value that makes sense.
    """
    if current <= 0:
        return []
    flips = []
    for direction, ratio in (("below", 1 / REACH), ("above", REACH)):
        grid = [min(most, current * ratio ** (k / STEPS)) for k in range(STEPS + 1)]
        found = _first_change(grid, choose)
        if found is not None:
            value, winner = found
            statement = f"{winner} wins if {name} is {direction} {value:.3g} {unit}"
            flips.append(
                Flip(
                    input=name,
                    direction=direction,
                    value=rounded(value),
                    chosen=winner,
                    statement=statement,
                )
            )
    return flips


def _first_change(
    grid: Sequence[float], choose: Callable[[float], str]
) -> tuple[float, str] | None:
    present = choose(grid[0])
    for near, far in pairwise(grid):
        if choose(far) == present:
            continue
        while abs(far - near) > 1e-6 * abs(far):
            middle = (near + far) / 2
            near, far = (middle, far) if choose(middle) == present else (near, middle)
        return far, choose(far)
    return None
