"""Which options are beaten on every count, and by whom."""

from collections.abc import Mapping, Sequence

import numpy as np

from optimizer.statistics import FloatArray


def dominated_by(scores: Mapping[str, Sequence[float | None]]) -> dict[str, str | None]:
    """For each option one that is at least as good on every criterion and better on one.

    Args:
        scores: Option to its criteria in one order, more is better; None where not known. A
            criterion compares only when both know it, or neither does.

    Returns:
        Option to the option that dominates it, the one of the smallest id that nothing dominates
        where there is one; None for the Pareto set.
    """
    ids = sorted(scores)
    if not ids:
        return {}
    values: FloatArray = np.array(
        [[np.nan if x is None else x for x in scores[i]] for i in ids], dtype=np.float64
    )
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)
    dominators: dict[str, list[str]] = {}
    for row, identifier in enumerate(ids):
        comparable = (known == known[row]).all(axis=1)
        no_worse = (filled >= filled[row]).all(axis=1)
        better = (filled > filled[row]).any(axis=1)
        dominators[identifier] = [ids[j] for j in np.flatnonzero(comparable & no_worse & better)]
    return {
        identifier: next((d for d in found if not dominators[d]), None)
        for identifier, found in dominators.items()
    }
