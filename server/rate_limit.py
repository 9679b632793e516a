"""How often a principal may ask: a bucket of requests each, refilled at a steady rate."""

import math
from collections import OrderedDict
from dataclasses import dataclass

MAX_PRINCIPALS = 10_000
"""Buckets kept; the one that was longest unused is forgotten first, which only ever refills it."""


@dataclass(frozen=True)
class Rate:
    """A steady rate and how far a principal may run ahead of it.

    Attributes:
        per_second: Requests a second, more than 0.
        burst: Requests that may come at once, at least 1.
    """

    per_second: float
    burst: float

    @classmethod
    def of(cls, per_second: float) -> "Rate":
        """A rate with a burst of two seconds, and of one request at least."""
        return cls(per_second=per_second, burst=max(1.0, 2 * per_second))


@dataclass
class _Bucket:
    left: float
    filled_at_s: float


class RateLimiter:
    """One bucket for each principal.

    Args:
        default: The rate of a principal that has none of its own; None lets it ask freely.

    Attributes:
        default: The same; it may be replaced at any time.
    """

    def __init__(self, default: Rate | None) -> None:
        self.default = default
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def admit(self, principal: str, *, now_s: float, own: Rate | None = None) -> float | None:
        """Take one request from the principal's bucket.

        Args:
            principal: Name of who asks.
            now_s: A clock that only goes forward, in seconds.
            own: The principal's own rate, instead of the default.

        Returns:
            None when the request may pass, else the seconds after which the next one may.
        """
        rate = own or self.default
        if rate is None:
            return None
        bucket = self._buckets.pop(principal, None) or _Bucket(rate.burst, now_s)
        self._buckets[principal] = bucket
        if len(self._buckets) > MAX_PRINCIPALS:
            self._buckets.popitem(last=False)
        refilled = bucket.left + (now_s - bucket.filled_at_s) * rate.per_second
        bucket.left, bucket.filled_at_s = min(rate.burst, refilled), now_s
        if bucket.left >= 1:
            bucket.left -= 1
            return None
        return (1 - bucket.left) / rate.per_second


def retry_after(wait_s: float) -> str:
    """The value of a Retry-After header: whole seconds, at least 1."""
    return str(max(1, math.ceil(wait_s)))
