"""Which host each request goes to, when several have room: the best placement of all at once.

The generalised assignment problem, solved exactly; with several resources its rows only multiply.
"""

from dataclasses import dataclass

import numpy as np

from optimizer.milp import Program, maximise
from optimizer.statistics import FloatArray

LIMIT_S = 10.0
"""Seconds after which the best placement so far is answered."""


@dataclass(frozen=True)
class Placement:
    """Where everything goes.

    Attributes:
        hosts: Of each request the index of its host; None where it goes nowhere.
        value: What that is worth in all.
        is_proven: Whether no placement is worth more.
    """

    hosts: tuple[int | None, ...]
    value: float
    is_proven: bool


def place(
    values: FloatArray,
    uses: FloatArray,
    capacities: FloatArray,
    *,
    everything: bool = True,
    gap: float = 0.0,
    limit_s: float = LIMIT_S,
) -> Placement | None:
    """Put each request on one host, for the greatest value.

    Args:
        values: What request j is worth on host i, shape (hosts, requests); -inf where it may not
            go. To minimise a cost, give it with a minus.
        uses: What request j takes of resource r on host i, shape (hosts, requests, resources).
        capacities: What host i has of resource r, shape (hosts, resources).
        everything: Whether every request has to be placed; else one may go nowhere, for 0.
        gap: Relative distance to the best that is good enough.
        limit_s: Seconds for the search.

    Returns:
        The placement; None when there is no room for all, or none was found in time. That every
        capacity holds is counted again in doubles: of whole numbers exactly.

    Source: Fisher, Jaikumar & Van Wassenhove, Management Science 32 (1986) 1095-1103.
    """
    hosts, requests, resources = uses.shape
    allowed = np.isfinite(values) & (uses <= capacities[:, None, :]).all(axis=2)
    if not allowed.any():
        nowhere = Placement((None,) * requests, 0.0, is_proven=True)
        return None if everything and requests else nowhere
    at_host, at_request = np.nonzero(allowed)
    room = np.zeros((hosts, resources, at_host.size))
    room[at_host, :, np.arange(at_host.size)] = uses[at_host, at_request]
    once = (at_request == np.arange(requests)[:, None]).astype(float)
    program = Program(
        values=values[allowed],
        rows=np.concatenate([room.reshape(hosts * resources, -1), once]),
        low=np.concatenate(
            [np.full(hosts * resources, -np.inf), np.full(requests, 1.0 if everything else 0.0)]
        ),
        high=np.concatenate([capacities.ravel(), np.ones(requests)]),
        is_whole=np.ones(at_host.size, dtype=bool),
    )
    solution = maximise(program, gap=gap, limit_s=limit_s)
    if solution is None:
        return None
    chosen = solution.x > 0.5
    taken = np.zeros_like(capacities)
    np.add.at(taken, at_host[chosen], uses[at_host[chosen], at_request[chosen]])
    times = np.bincount(at_request[chosen], minlength=requests)
    if (taken > capacities).any() or (times > 1).any() or (everything and (times < 1).any()):
        return None
    where = dict(zip(at_request[chosen].tolist(), at_host[chosen].tolist(), strict=True))
    return Placement(
        hosts=tuple(where.get(request) for request in range(requests)),
        value=float(program.values[chosen].sum()),
        is_proven=solution.is_proven,
    )
