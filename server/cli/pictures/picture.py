"""A picture as shapes: what the writers of SVG and PNG are given."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Point = tuple[float, float]
"""Pixels from the left and from the top."""

Colour = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

BLACK: Colour = (30, 30, 30)
GREY: Colour = (200, 200, 200)
BLUE: Colour = (31, 99, 171)
RED: Colour = (190, 50, 40)


@dataclass(frozen=True)
class Area:
    """What lies between two lines from left to right.

    Attributes:
        upper: The line above.
        lower: The line below, at the same distances from the left.
        colour: Its colour.
        opacity: 0 to 1.
    """

    upper: Sequence[Point]
    lower: Sequence[Point]
    colour: Colour = BLUE
    opacity: float = 0.2


@dataclass(frozen=True)
class Line:
    """A line through points.

    Attributes:
        points: At least two.
        colour: Its colour.
        width: In pixels.
    """

    points: Sequence[Point]
    colour: Colour = BLACK
    width: float = 1.5


@dataclass(frozen=True)
class Label:
    """A line of text.

    Attributes:
        at: Where its base line begins, ends, or has its middle.
        text: What it says.
        anchor: Which of these.
        colour: Its colour.
    """

    at: Point
    text: str
    anchor: Literal["start", "middle", "end"] = "start"
    colour: Colour = BLACK


Shape = Area | Line | Label


@dataclass(frozen=True)
class Picture:
    """Shapes on white, the first ones undermost.

    Attributes:
        width: In pixels.
        height: In pixels.
        shapes: What is drawn.
    """

    width: int
    height: int
    shapes: Sequence[Shape]
