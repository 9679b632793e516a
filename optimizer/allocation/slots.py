"""Indexed pools: which device or slot a lease gets, so that nobody else is given the same. Pure."""

from collections.abc import Mapping


def choose_slots(
    free: Mapping[int, int], parts: int, *, size: int, wanted: Mapping[int, int] | None = None
) -> dict[int, int] | None:
    """Whole ones first, lowest index first; a fraction where it leaves the least behind.

    Args:
        free: Whole parts that are free of each index.
        parts: How many parts to place, at least 1.
        size: Parts of one index.
        wanted: Parts by index, when the request names them.

    Returns:
        Parts by index that sum up to `parts`; None when no set of indices has them free.
    """
    if wanted:
        fits = sum(wanted.values()) == parts
        return (
            dict(wanted) if fits and all(free.get(i, 0) >= n for i, n in wanted.items()) else None
        )
    whole, rest = divmod(parts, size)
    chosen = dict.fromkeys(sorted(i for i, left in free.items() if left == size)[:whole], size)
    if len(chosen) < whole:
        return None
    if rest:
        fitting = [(left, i) for i, left in free.items() if i not in chosen and left >= rest]
        if not fitting:
            return None
        chosen[min(fitting)[1]] = rest
    return chosen
