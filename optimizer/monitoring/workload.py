"""What the doors did: requests, errors and latencies of the last minutes, in little memory."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from optimizer.statistics import FloatArray

BUCKET_S = 10
RATE_BUCKETS = 30
"""Rates, throughput and percentiles look back 5 minutes."""
HOUR_BUCKETS = 360
"""Reliability looks back an hour: of a few requests in five minutes nobody knows how many fail."""
MINIMUM_REQUESTS = 20
"""With fewer requests one failure would pass any sensible threshold."""

_EDGES = np.geomspace(0.05, 600_000, 180)
"""Latencies are counted between these milliseconds, each 9.5 % above the one before."""


@dataclass(frozen=True)
class Figures:
    """What the workload was; a figure that is None has its reason in `unknown`.

    Attributes:
        error_rate: Share of requests of the last 5 minutes that failed.
        throughput: Requests per second over the last 5 minutes, or since the first request.
        response_time_ms: Median latency of the last 5 minutes, within 5 %.
        response_time_p95_ms: 95th percentile of the same.
        requests: How many there were in the last 5 minutes; the error rate is a share of them.
        requests_hour: How many there were in the last hour.
        failures_hour: How many of these failed.
        unknown: Reasons by name.
    """

    error_rate: float | None
    throughput: float | None
    response_time_ms: float | None
    response_time_p95_ms: float | None
    requests: int
    requests_hour: int
    failures_hour: int
    unknown: dict[str, str]


_NO_REQUEST = "no request since the start"

_NOTHING_YET = Figures(
    error_rate=None,
    throughput=None,
    response_time_ms=None,
    response_time_p95_ms=None,
    requests=0,
    requests_hour=0,
    failures_hour=0,
    unknown=dict.fromkeys(
        ("error_rate", "throughput", "response_time_ms", "response_time_p95_ms"), _NO_REQUEST
    ),
)


class Workload:
    """Counts requests in buckets of ten seconds; its memory does not grow with them.

    Args:
        monotonic: Seconds on a clock that never jumps.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._bucket = np.full(HOUR_BUCKETS, -1, dtype=np.int64)
        self._requests = np.zeros(HOUR_BUCKETS, dtype=np.int64)
        self._errors = np.zeros(HOUR_BUCKETS, dtype=np.int64)
        self._latencies = np.zeros((RATE_BUCKETS, _EDGES.size + 1), dtype=np.int64)
        self._first_s: float | None = None

    def record(self, *, ok: bool, latency_ms: float) -> None:
        """Count one answered request.

        Args:
            ok: False when we failed; a refused or malformed request is answered well.
            latency_ms: Time from its arrival to its answer.
        """
        now = self._monotonic()
        bucket = int(now // BUCKET_S)
        with self._lock:
            if self._first_s is None:
                self._first_s = now
            slot, fine = bucket % HOUR_BUCKETS, bucket % RATE_BUCKETS
            if self._bucket[slot] != bucket:
                self._bucket[slot] = bucket
                self._requests[slot] = self._errors[slot] = 0
                self._latencies[fine] = 0
            self._requests[slot] += 1
            self._errors[slot] += not ok
            self._latencies[fine, np.searchsorted(_EDGES, latency_ms)] += 1

    def figures(self) -> Figures:
        """Rates and percentiles as of now."""
        now = self._monotonic()
        if self._first_s is None:
            return _NOTHING_YET
        with self._lock:
            age = int(now // BUCKET_S) - self._bucket
            last_hour = (self._bucket >= 0) & (age < HOUR_BUCKETS)
            recent = last_hour & (age < RATE_BUCKETS)
            requests, errors = self._requests[recent].sum(), self._errors[recent].sum()
            requests_hour, failures_hour = (
                self._requests[last_hour].sum(),
                self._errors[last_hour].sum(),
            )
            latencies = self._latencies[self._bucket[recent] % RATE_BUCKETS].sum(axis=0)
            first_s = self._first_s
        unknown: dict[str, str] = {}
        error_rate = _rate(int(errors), int(requests), unknown)
        median, p95 = _percentiles(latencies)
        if median is None:
            reason = "no request in the last 5 minutes"
            unknown |= dict.fromkeys(("response_time_ms", "response_time_p95_ms"), reason)
        return Figures(
            error_rate=error_rate,
            throughput=_per_second(int(requests), now - first_s),
            response_time_ms=median,
            response_time_p95_ms=p95,
            requests=int(requests),
            requests_hour=int(requests_hour),
            failures_hour=int(failures_hour),
            unknown=unknown,
        )


def _per_second(requests: int, since_first_s: float) -> float:
    """Mean over the window; a window that is not full yet counts from the first request on."""
    window_s = RATE_BUCKETS * BUCKET_S
    return requests / min(window_s, max(since_first_s, BUCKET_S))


def _rate(part: int, whole: int, unknown: dict[str, str]) -> float | None:
    if whole < MINIMUM_REQUESTS:
        unknown["error_rate"] = (
            f"{whole} requests in the last 5 minutes; a rate needs {MINIMUM_REQUESTS}"
        )
        return None
    return part / whole


def _percentiles(counts: FloatArray) -> tuple[float | None, float | None]:
    """Median and 95th percentile from counts between the edges; the geometric middle of a cell."""
    total = int(counts.sum())
    if total == 0:
        return None, None
    cells = np.searchsorted(np.cumsum(counts), [0.5 * total, 0.95 * total])
    upper = _EDGES[np.minimum(cells, _EDGES.size - 1)]
    lower = _EDGES[np.maximum(np.minimum(cells, _EDGES.size) - 1, 0)]
    median, p95 = np.sqrt(lower * upper)
    return float(median), float(p95)
