"""A candidate: one cheap way to continue a series, computed for many origins at once."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from optimizer.forecasting.day_blocks import DayBlocks
from optimizer.statistics import FloatArray

PathFunction = Callable[[DayBlocks], FloatArray]
"""Answers the path of every origin, shape (o, h); NaN where history is too short for it."""


@dataclass(frozen=True)
class Candidate:
    """One way to continue a series.

    Attributes:
        name: What it is called in the weights that a forecast shows.
        path: Computes it.
    """

    name: str
    path: PathFunction


def complete(path: FloatArray, blocks: DayBlocks) -> FloatArray:
    """A path without holes.

    Where a candidate needs more history than an origin has, it falls back to the median of the
    last seven days at the same hour, or of the days that there are.

    Args:
        path: A candidate's path from every origin, shape (o, h); NaN where it has none.
        blocks: The past as seen from the origins.

    Returns:
        The path, shape (o, h), without NaN; not below zero when the series never is.
    """
    least = 0.0 if blocks.values.min() >= 0 else -np.inf
    whole: FloatArray = np.where(np.isnan(path), blocks.same_hour_median(7), path)
    return np.maximum(whole, least)


def fading(blocks: DayBlocks, hours: float) -> FloatArray:
    """How much of a disturbance is left at each step, exp(-lead / hours), shape (h,)."""
    left: FloatArray = np.exp(-blocks.lead / hours)
    return left


def recent_mean(blocks: DayBlocks) -> FloatArray:
    """Mean of the last three hours, shape (o, 1)."""
    return np.asarray(blocks.behind[:, 0].mean(axis=1, keepdims=True))


def smoothed(path: FloatArray) -> FloatArray:
    """A path run through the weights 1/4, 1/2, 1/4 along its steps, shape (o, h)."""
    wide = np.pad(path, ((0, 0), (1, 1)), mode="edge")
    return 0.25 * wide[:, :-2] + 0.5 * wide[:, 1:-1] + 0.25 * wide[:, 2:]
