"""A small checker of linearizability, after Wing & Gong: is there an order that explains it all?

Each worker does one thing at a time. An order puts every operation somewhere between its call and
its return; it explains a history when one pool, served in that order, gives every answer that was
given: a request is granted just when there is room.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Operation:
    """Something that a worker did.

    Attributes:
        called: Moment of the call, on a clock that all workers share.
        returned: Moment of the return.
        parts: What was asked for; below 0 for what was given back.
        granted: Whether the answer was yes.
    """

    called: int
    returned: int
    parts: int
    granted: bool


def is_linearizable(history: Sequence[Sequence[Operation]], capacity: int) -> bool:
    """Whether an order explains what the workers saw.

    Args:
        history: What each worker did, in its own order.
        capacity: What the pool has, all of it free at first.
    """
    start = (tuple(0 for _ in history), capacity)
    seen, waiting = {start}, [start]
    while waiting:
        done, free = waiting.pop()
        following = [
            (worker, operations[at])
            for worker, (operations, at) in enumerate(zip(history, done, strict=True))
            if at < len(operations)
        ]
        if not following:
            return True
        deadline = min(operation.returned for _, operation in following)
        for worker, operation in following:
            explains = operation.granted == (operation.parts <= free)
            if operation.called > deadline or not explains:
                continue
            left = free - operation.parts if operation.granted else free
            state = ((*done[:worker], done[worker] + 1, *done[worker + 1 :]), left)
            if state not in seen:
                seen.add(state)
                waiting.append(state)
    return False
