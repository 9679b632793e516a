"""What running commands use of memory, look by look → what `pressure.relieve` decides. Pure.

The same decision serves the replay of recorded agents and the real control groups: here it is only
told what the groups show. Version 1 of control groups cannot stop growth at a height, so there a
command that grew while less than the headroom is left counts as held up.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from optimizer.allocation.pooling import FloatArray, equally_likely, pooled
from optimizer.allocation.pressure import HEADROOM_S, QUANTILE, LiveLease, Relief, relieve

QUIET_SHARE = 0.5
"""While less of the capacity than this is used, nobody is held to anything."""

RESERVE_S = 10
"""Seconds of growth that stay free when a parked command comes back."""

REMEMBERED = 120


@dataclass(frozen=True)
class Look:
    """One command now.

    Attributes:
        lease: Its lease.
        age_s: Seconds since it began.
        guaranteed: Bytes that its lease holds.
        most: Upper end of its range, bytes.
        resident: Bytes that it holds in memory.
        priority: Higher is served earlier.
        parked: Whether it is stopped.
        held_back: How often the kernel stopped it at its height, in all; None where it cannot.
    """

    lease: str
    age_s: float
    guaranteed: float
    most: float
    resident: float
    priority: int = 0
    parked: bool = False
    held_back: int | None = None


@dataclass
class _Past:
    """What is remembered of one command."""

    resident: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    before_parking: float = 0.0
    held_back: int = 0
    stalled_s: float = 0.0


class Sharing:
    """Follows the commands that share the memory of this machine."""

    def __init__(self) -> None:
        self._past: dict[str, _Past] = {}

    def decide(
        self, looks: Sequence[Look], *, capacity: float, swap: float, elapsed_s: float
    ) -> Relief:
        """Decide for the next second.

        Args:
            looks: All commands that can be held.
            capacity: Bytes that they may use together.
            swap: Bytes of swap that are free.
            elapsed_s: Seconds since the last look.

        Returns:
            What to do; heights of all that run, or none while there is plenty.
        """
        self._past = {look.lease: self._past.get(look.lease, _Past()) for look in looks}
        used = sum(look.resident for look in looks)
        headroom = self._growth(looks, HEADROOM_S)
        for look in looks:
            self._note(look, elapsed_s, is_short=used + headroom > capacity)
        is_quiet = used + headroom < QUIET_SHARE * capacity
        if is_quiet and not any(look.parked for look in looks):
            return Relief()
        return relieve(
            [self._live(look) for look in looks],
            capacity=capacity,
            headroom=headroom,
            reserve=self._growth(looks, RESERVE_S),
            swap=swap,
        )

    def _note(self, look: Look, elapsed_s: float, *, is_short: bool) -> None:
        past = self._past[look.lease]
        if look.parked:
            past.stalled_s = 0.0
            return
        before = past.resident[-1] if past.resident else look.resident
        if look.held_back is None:
            wants_more = is_short and look.resident > before
        else:
            wants_more = look.held_back > past.held_back
            past.held_back = look.held_back
        past.stalled_s = past.stalled_s + elapsed_s if wants_more else 0.0
        past.resident.append(look.resident)
        past.before_parking = look.resident

    def _growth(self, looks: Sequence[Look], seconds: int) -> float:
        """What all that run may grow together within some seconds, a look each, bytes."""
        grown = [self._grown(look.lease, seconds) for look in looks if not look.parked]
        return pooled(grown, QUANTILE).booked

    def _grown(self, lease: str, seconds: int) -> FloatArray:
        seen = np.asarray(self._past[lease].resident, dtype=np.float64)
        if seen.size <= seconds:
            return equally_likely(np.zeros(1))
        return equally_likely(np.maximum(0.0, seen[seconds:] - seen[:-seconds]))

    def _live(self, look: Look) -> LiveLease:
        past = self._past[look.lease]
        swapped = max(0.0, past.before_parking - look.resident) if look.parked else 0.0
        return LiveLease(
            look.lease,
            age_s=look.age_s,
            guaranteed=look.guaranteed,
            most=look.most,
            resident=look.resident,
            stalled_s=past.stalled_s,
            priority=look.priority,
            parked=look.parked,
            swapped=swapped,
        )


def words_of(relief: Relief) -> Mapping[str, Mapping[str, str]]:
    """What each front is told of being stopped, going on, and ending."""
    said: dict[str, Mapping[str, str]] = {}
    for lease in relief.park:
        said[lease] = {
            "notice": "memory is short: the command is stopped until others give some back; no "
            "work is lost"
        }
    for lease in relief.resume:
        said[lease] = {"notice": "there is memory again: the command goes on"}
    for lease in relief.end:
        said[lease] = {
            "end": "memory ran out: the command used more than is guaranteed, and is the newest of "
            "the lowest priority, so it ends; a larger --memory guarantees more"
        }
    return said
