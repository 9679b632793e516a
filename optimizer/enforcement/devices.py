"""Which GPUs a lease gets. Pure."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping

VARIABLE = "CUDA_VISIBLE_DEVICES"

_INDEXED = re.compile(r"gpu:(\d+)")


def devices_for(
    granted: Mapping[str, float], *, taken: Iterable[tuple[int, ...]], known: int
) -> tuple[int, ...]:
    """Indexes of the GPUs that a lease may see.

    Args:
        granted: What it holds: slots by name (`gpu:0`), or a number of devices under `gpu`.
        taken: What other leases see.
        known: How many there are.

    Returns:
        The named ones; else as many as were granted, a part of one counting as one: those that the
        fewest others see, lowest first.
    """
    named = sorted(int(found[1]) for name in granted if (found := _INDEXED.fullmatch(name)))
    if named:
        return tuple(named)
    wanted = math.ceil(granted.get("gpu", 0.0))
    users = Counter(index for devices in taken for index in devices)
    free_first = sorted(range(max(known, wanted)), key=lambda index: (users[index], index))
    return tuple(sorted(free_first[:wanted]))
