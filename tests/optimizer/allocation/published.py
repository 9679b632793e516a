"""Published optimisation instances with their optima; see tests/data/allocation/README.md."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from optimizer.statistics import FloatArray

FOLDER = Path(__file__).parents[2] / "data" / "allocation"
EXPECTED = json.loads((FOLDER / "expected.json").read_text())


@dataclass(frozen=True)
class Knapsack:
    """Items with a value and a weight in each row, and how much each row holds."""

    optimum: float
    values: list[float]
    weights: list[list[float]]
    capacities: list[float]


@dataclass(frozen=True)
class Assignment:
    """Every job goes to one agent."""

    optimum: float
    values: FloatArray
    uses: FloatArray
    capacities: FloatArray


def _numbers(name: str) -> Iterator[float]:
    return map(float, (FOLDER / name).read_text().split())


def _take(numbers: Iterator[float], count: float) -> list[float]:
    return [next(numbers) for _ in range(int(count))]


def knapsacks() -> list[Knapsack]:
    """The seven of SAC-94."""
    numbers = _numbers("mknap1.txt")
    found = []
    for _ in range(int(next(numbers))):
        items, rows, optimum = _take(numbers, 3)
        values = _take(numbers, items)
        weights = [_take(numbers, items) for _ in range(int(rows))]
        found.append(Knapsack(optimum, values, weights, _take(numbers, rows)))
    return found


def assignments(file: int) -> list[Assignment]:
    """The five of one file of the OR-Library."""
    numbers = _numbers(f"gap/gap{file}.txt")
    found = []
    for optimum in EXPECTED["gap"]["optima"][str(file)][: int(next(numbers))]:
        agents, jobs = _take(numbers, 2)
        shape = (int(agents), int(jobs))
        values = np.array(_take(numbers, agents * jobs)).reshape(shape)
        uses = np.array(_take(numbers, agents * jobs)).reshape(shape)
        found.append(Assignment(optimum, values, uses, np.array(_take(numbers, agents))))
    return found
