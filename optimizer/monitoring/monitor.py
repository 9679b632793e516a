"""PerformanceMonitor: samples on an interval and keeps the recent past in memory."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import anyio

from optimizer.clock import Clock, utc_now
from optimizer.errors import DependencyError, StorageError
from optimizer.events import EventBus, SampleTaken
from optimizer.machine.attribution import LeaseUse
from optimizer.machine.readings import Usage
from optimizer.monitoring.alerts import CALM, Change, Crossing, advance
from optimizer.monitoring.compose import compose
from optimizer.monitoring.health import STALLED, assess
from optimizer.monitoring.history import Series
from optimizer.monitoring.keeper import AlertKeeper, SampleKeeper
from optimizer.monitoring.looks import Looks, ReadsMachine
from optimizer.monitoring.past import Past
from optimizer.monitoring.probes import Probes
from optimizer.monitoring.probing import Probing
from optimizer.monitoring.sample import (
    DEFAULT_THRESHOLDS,
    Alert,
    Health,
    Reliability,
    Sample,
    Threshold,
    Trend,
)
from optimizer.monitoring.sampler_lock import SamplerLock
from optimizer.monitoring.standing import StandingAlerts
from optimizer.monitoring.trends import BLOCKS, trend
from optimizer.monitoring.unmanaged import last_unmanaged, unmanaged_in
from optimizer.monitoring.workload import Workload

logger = logging.getLogger("sequential_resource_optimization.monitoring")

FIRST_SAMPLE = timedelta(seconds=1)
"""The first sample comes this soon after the start, or after one interval if that is shorter."""

TREND_STEP = timedelta(minutes=2)
"""Trends look at means of this width, or of an interval if that is longer: an hour in all."""

TREND_METRICS = {
    "cpu_trend": "cpu_usage",
    "memory_trend": "memory_usage",
    "error_trend": "error_rate",
}

NOT_STORED = "history_not_stored"
NOT_SAMPLED = "sampling_failed"


JudgesReliability = Callable[[int, int], Reliability | str]
"""Failed requests of the last hour and all of them, to what they show or why nothing is known."""


def _not_foreseen(failures: int, requests: int) -> Reliability | str:
    return "nobody looks at a forecast here"


class PerformanceMonitor:
    """Knows how this machine is and was.

    Construction does no I/O. Of several monitors over one store only the one that holds the lock
    writes; the others sample into their own memory and try for the lock at every sample.

    Args:
        machine: What reads the counters.
        keeper: Where samples last; None keeps them in memory only.
        alert_keeper: Where alerts last, so that a restart raises none a second time.
        interval: Time between samples.
        host: Name under which this machine's samples are kept.
        thresholds: Alert thresholds by metric, in place of the defaults for these metrics.
        events: Where samples and alerts are announced.
        workload: Counts of what the doors did.
        leased: Answers what is leased in all, by resource, in cores and bytes; None where no
            ledger is kept.
        reliability: Works out the reliability score.
        probes: Services to ask at every sample.
        sampler_lock: Lock file beside the store; None when nobody else can write to it.
        clock: The wall clock, for time stamps.
        monotonic: Seconds on a clock that never jumps, for everything else.

    Attributes:
        latest: The last sample; None before the first.
        lease_use: What each lease used that processes are bound to, in that sample.
        unmanaged: What no lease covered when it was last known, by resource, in cores and bytes.
        version: Grows with every sample, and when history is read anew.
    """

    def __init__(
        self,
        *,
        machine: ReadsMachine,
        keeper: SampleKeeper | None = None,
        alert_keeper: AlertKeeper | None = None,
        interval: timedelta = timedelta(seconds=30),
        host: str = "localhost",
        thresholds: Mapping[str, Threshold] | None = None,
        events: EventBus | None = None,
        workload: Workload | None = None,
        leased: Callable[[], Awaitable[Mapping[str, float]]] | None = None,
        reliability: JudgesReliability = _not_foreseen,
        probes: Probes | None = None,
        sampler_lock: Path | None = None,
        clock: Clock = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.host = host
        self.interval = interval
        self.workload = workload or Workload(monotonic)
        self.thresholds = {**DEFAULT_THRESHOLDS, **(thresholds or {})}
        self.latest: Sample | None = None
        self.lease_use: Mapping[str, LeaseUse] = {}
        self.unmanaged: Mapping[str, float] = {}
        self.version = 0
        self._looks = Looks(machine, interval)
        self._keeper = keeper
        self._events = events or EventBus()
        self._leased = leased
        self._reliability = reliability
        self._probing = Probing(probes or Probes({}))
        self._lock = SamplerLock(sampler_lock)
        self._clock = clock
        self._monotonic = monotonic
        self._turn = anyio.Lock(fast_acquire=True)
        self._task: asyncio.Task[None] | None = None
        self._latest_s = -math.inf
        self._alerts = StandingAlerts(host, keeper=alert_keeper, events=self._events)
        self._problems: dict[str, str] = {}
        self._past = Past(interval)
        self._trends: tuple[int, dict[str, Trend]] | None = None

    @property
    def is_running(self) -> bool:
        """Whether samples are being taken."""
        return self._task is not None and not self._task.done()

    @property
    def is_writer(self) -> bool:
        """Whether this monitor is the one that writes samples to the store."""
        return self._keeper is not None and self._lock.is_held

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """The alerts that stand, those of the forecast last."""
        return self._alerts.standing

    async def start(self) -> None:
        """Load the history and begin to sample; when it runs already, it does nothing.

        A store that cannot be read does not stop it: that is a warning in the health.
        """
        if self.is_running:
            return
        self._own_lock()
        await self._load()
        try:
            await self._alerts.recall()
        except StorageError as error:
            self._note(NOT_STORED, f"alerts cannot be read: {error}")
        try:
            await self._looks.begin()
        except DependencyError as error:
            self._note(NOT_SAMPLED, str(error))
        self._task = asyncio.create_task(self._run(), name="performance-monitor")

    async def stop(self) -> None:
        """Stop sampling, and let another process have the store; again, it does nothing."""
        task, self._task = self._task, None
        if task is not None and not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self._probing.stop()
        self._lock.release()

    async def reload(self) -> None:
        """Read the history from the store anew, for example after an import."""
        async with self._turn:
            await self._load()

    async def _load(self) -> None:
        if self._keeper is None:
            return
        try:
            stored = await self._keeper.load(self.host, now=self._clock())
        except StorageError as error:
            self._note(NOT_STORED, f"history cannot be read: {error}")
            return
        past = Past(self.interval)
        past.load(stored)
        self._past = past
        self.unmanaged = {**last_unmanaged(stored), **self.unmanaged}
        self.version += 1

    async def foresee(
        self, crossings: Iterable[Crossing], *, covered: Collection[str], until: datetime
    ) -> None:
        """Raise and clear the alerts that a forecast calls for.

        Args:
            crossings: Critical levels that it expects to be reached.
            covered: Metrics that it looked at.
            until: How far it looked.
        """
        now = self._clock()
        changes = self._alerts.foresee(crossings, covered=covered, until=until, at=now)
        await self._announce(changes, now)

    async def change(self, *, thresholds: Mapping[str, Threshold], probes: Probes) -> None:
        """Go by other thresholds and ask other services, from the next sample on."""
        self.thresholds = {**DEFAULT_THRESHOLDS, **thresholds}
        await self._probing.change(probes)

    async def sample_once(self) -> Sample:
        """Take one sample, remember it, and keep it in the store.

        A store that cannot be written does not stop it: that is a warning in the health.

        Raises:
            DependencyError: CPU or memory cannot be read.
        """
        async with self._turn:
            self._probing.begin()
            usage = await self._looks.use(regular=self.is_running)
            leased = await self._look_up_leases()
            unmanaged = None
            if leased is not None:
                unmanaged = unmanaged_in(usage, leased, before=self.unmanaged)
                self.unmanaged = {**self.unmanaged, **unmanaged}
            sample = self._sample(usage, unmanaged)
            self.latest, self.lease_use = sample, usage.leases
            self._latest_s = self._monotonic()
            self._past.add(sample)
            self.version += 1
            changes = self._alerts.look(
                sample.watched,
                usage.leases,
                self.thresholds,
                at=sample.timestamp,
                now_s=self._latest_s,
            )
            await self._keep(sample)
        self._events.publish(SampleTaken(sample.timestamp))
        if changes:
            await self._announce(changes, sample.timestamp)
        return sample

    async def glance(self) -> None:
        """Know what the machine uses before the first sample, or without any, over 50 ms.

        It becomes the latest sample, is not kept, and raises no alert; one that is younger than a
        second stands. A machine that cannot be read is a warning in the health.
        """
        async with self._turn:
            if self._monotonic() - self._latest_s < FIRST_SAMPLE.total_seconds():
                return
            try:
                usage = await self._looks.use(regular=self.is_running)
            except DependencyError as error:
                self._note(NOT_SAMPLED, str(error))
                return
            self.latest, self.lease_use = self._sample(usage), usage.leases
            self._latest_s = self._monotonic()
            self.version += 1

    def get_current_metrics(self) -> Sample:
        """How the machine is now, from any thread, with or without monitoring.

        The latest sample while monitoring runs; else two readings 50 ms apart, which are not kept.

        Raises:
            DependencyError: CPU or memory cannot be read.
        """
        if self.latest is not None and self.is_running and not self._is_stalled():
            return self.latest
        return self._sample(self._looks.glance())

    def health(self, problems: Mapping[str, str] | None = None) -> Health:
        """How the machine is, in a word, from the latest sample or one on demand.

        Args:
            problems: Troubles of other parts: a word, and what it means. They are warnings.

        Raises:
            DependencyError: There is no sample, and CPU or memory cannot be read.
        """
        if not self.is_running or self.latest is None:
            return self.judge(self.get_current_metrics(), problems)
        troubles = {**self._problems, **(problems or {})}
        if self._is_stalled():
            troubles[STALLED] = _stalled(self.latest)
        return assess(self.latest, self.alerts, problems=troubles, at=self._clock())

    def judge(self, sample: Sample, problems: Mapping[str, str] | None = None) -> Health:
        """The health that one sample shows, for example of another machine.

        Thresholds that need time to be broken cannot show in a single sample.

        Args:
            sample: The latest one of that machine.
            problems: Troubles to show beside it.
        """
        now = self._clock()
        troubles = {**self._problems, **(problems or {})} if sample.host == self.host else {}
        if now - sample.timestamp > self._patience:
            troubles[STALLED] = _stalled(sample)
        state, _ = advance(
            CALM,
            sample.watched,
            self.thresholds,
            at=sample.timestamp,
            now_s=self._monotonic(),
        )
        return assess(sample, state.raised.values(), problems=troubles, at=now)

    def trends(self) -> dict[str, Trend]:
        """cpu_trend, memory_trend and error_trend over the last hour; once for each sample."""
        if self._trends is None or self._trends[0] != self.version:
            self._trends = (
                self.version,
                {name: self.trend(metric) for name, metric in TREND_METRICS.items()},
            )
        return self._trends[1]

    def trend(self, metric: str) -> Trend:
        """The trend of any stored metric over the last hour.

        Raises:
            InvalidRequestError: No such metric is stored.
        """
        step = max(TREND_STEP, self.interval)
        now = self.latest.timestamp if self.latest is not None else self._clock()
        return trend(self._past.means(metric, step=step, blocks=BLOCKS, now=now))

    def series(self, metric: str, *, step: timedelta) -> Series:
        """One metric in finished steps of 300 s (30 days) or 3600 s (a year), from memory.

        Raises:
            InvalidRequestError: No such metric is stored, or steps of this width are not kept.
        """
        return self._past.series(metric, step=step, now=self._clock())

    def recent(self, span: timedelta, *, points: int) -> dict[str, Series]:
        """Every metric over the last while, thinned to a few means, from memory."""
        return self._past.recent(span, points=points, now=self._clock())

    async def _run(self) -> None:
        """Sample at a steady beat: what a sample takes does not move the next one."""
        beat_s = self.interval.total_seconds()
        due_s = self._monotonic() + min(beat_s, FIRST_SAMPLE.total_seconds())
        while True:
            await asyncio.sleep(max(0.0, due_s - self._monotonic()))
            try:
                await self.sample_once()
                self._settle(NOT_SAMPLED)
            except DependencyError as error:
                self._note(NOT_SAMPLED, str(error))
            except Exception as error:
                logger.exception("a sample failed")
                self._note(NOT_SAMPLED, f"{type(error).__name__}: {error}")
            late_s = max(0.0, self._monotonic() - due_s)
            due_s += beat_s * (1 + late_s // beat_s)

    async def _look_up_leases(self) -> Mapping[str, float] | None:
        """What is leased in all; None without a ledger, or when it cannot be read."""
        if self._leased is None:
            return None
        try:
            return await self._leased()
        except DependencyError as error:
            logger.debug("leases cannot be looked up: %s", error)
            return None

    def _sample(self, usage: Usage, unmanaged: Mapping[str, float] | None = None) -> Sample:
        workload = self.workload.figures()
        return compose(
            usage,
            workload,
            self._reliability(workload.failures_hour, workload.requests_hour),
            self._probing.latency,
            unmanaged,
            host=self.host,
            at=self._clock(),
        )

    async def _announce(self, changes: Sequence[Change], at: datetime) -> None:
        try:
            await self._alerts.announce(changes, at, may_write=self._own_lock)
        except StorageError as error:
            self._note(NOT_STORED, f"alerts are in memory only: {error}")

    async def _keep(self, sample: Sample) -> None:
        if self._keeper is None or not self._own_lock():
            return
        try:
            await self._keeper.add(sample)
        except StorageError as error:
            self._note(NOT_STORED, f"samples are in memory only: {error}")
        else:
            self._settle(NOT_STORED)

    def _own_lock(self) -> bool:
        try:
            return self._lock.acquire()
        except OSError as error:
            self._note(NOT_STORED, f"the lock beside the store cannot be made: {error}")
            return False

    @property
    def _patience(self) -> timedelta:
        """After this long without a sample something is wrong."""
        return 3 * self.interval + timedelta(seconds=5)

    def _is_stalled(self) -> bool:
        return self._monotonic() - self._latest_s > self._patience.total_seconds()

    def _note(self, word: str, detail: str) -> None:
        """Show a trouble in the health; log it once, when it begins."""
        if word not in self._problems:
            logger.warning("%s: %s", word, detail)
        self._problems[word] = detail

    def _settle(self, word: str) -> None:
        if self._problems.pop(word, None) is not None:
            logger.info("%s: over", word)


def _stalled(sample: Sample) -> str:
    return f"the last sample is of {sample.timestamp:%Y-%m-%d %H:%M:%S} UTC"
