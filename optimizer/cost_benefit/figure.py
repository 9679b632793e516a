"""A number with its source, or no number with its reason."""

from dataclasses import dataclass

from typing_extensions import TypedDict


class FigureView(TypedDict):
    """A figure as answers show it."""

    value: float | None
    unit: str
    source: str


@dataclass(frozen=True)
class Figure:
    """One quantity of an option.

    Attributes:
        value: The number; None when it is not known.
        unit: Its unit, for example `USD per call`.
        source: Where it is from: `claimed`, `measured, 120 calls`; for None, why it is not known.
    """

    value: float | None
    unit: str
    source: str

    @property
    def is_known(self) -> bool:
        """Whether there is a number."""
        return self.value is not None

    def view(self) -> FigureView:
        """The figure for an answer, to six significant digits."""
        return {"value": rounded(self.value), "unit": self.unit, "source": self.source}


def spoken(value: float, *, digits: int = 3) -> str:
    """A number for a sentence: so many significant digits, and all before the point."""
    return f"{value:.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"


def rounded(value: float | None) -> float | None:
    """A number for an answer: six significant digits."""
    return None if value is None else float(f"{value:.6g}")
