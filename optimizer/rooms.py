"""The rooms: built once from settings with plain values, opened, closed and reloaded together."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Hashable, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from optimizer import configured
from optimizer.allocation.allocator import ResourceAllocator
from optimizer.allocation.pool import ResourcePool, build_pools
from optimizer.allocation.quota import Quotas
from optimizer.catalog.configured import configured_servers
from optimizer.catalog.profiler import Profiler
from optimizer.clock import Clock
from optimizer.cost_benefit.analyzer import CostBenefitAnalyzer
from optimizer.decisions.fronts import Fronts
from optimizer.decisions.job import Job
from optimizer.decisions.objectives import Objective
from optimizer.decisions.request import OptimizationRequest
from optimizer.decisions.snapshot import Snapshot
from optimizer.decisions.steps import ALLOCATE, DEFERRAL, LEASES, QUOTAS
from optimizer.enforcement.actuator import Actuator
from optimizer.enforcement.cells import Cells
from optimizer.enforcement.groups import find_home
from optimizer.enforcement.holder import Holder
from optimizer.enforcement.own import Deferrals, Leases, QuotasOfAll, Reservation
from optimizer.enforcement.runs import Runs
from optimizer.enforcement.scopes import find_scopes
from optimizer.errors import LeaseEndedError, NotFoundError, OptimizerError
from optimizer.events import EventBus, LeaseChanged, SampleTaken
from optimizer.forecasting.forecast import Forecast
from optimizer.forecasting.planner import PredictivePlanner
from optimizer.identity import LOCAL, Principal
from optimizer.leased import Leased
from optimizer.machine.attribution import Attribution, Binding, beyond_leases, still_run
from optimizer.machine.capacity import Capacity, discover_capacities
from optimizer.machine.census import Census
from optimizer.machine.ends import ProcessEnds
from optimizer.machine.processes import resident_below
from optimizer.machine.reader import Machine, free_swap
from optimizer.monitoring.alerts import Crossing
from optimizer.monitoring.health import PROMETHEUS_DOWN
from optimizer.monitoring.monitor import PerformanceMonitor
from optimizer.monitoring.probes import Probes
from optimizer.monitoring.prometheus_hosts import PrometheusHosts
from optimizer.operations.apply import Applications, Watch
from optimizer.operations.bind import bind_allocation
from optimizer.operations.capacities import Capacities
from optimizer.operations.census import Counted
from optimizer.operations.elsewhere import Elsewhere
from optimizer.operations.experience import Experience
from optimizer.operations.forecast import Forecasting, ForecastRequest, forecast_workload
from optimizer.operations.forecast_unmanaged import forecast_unmanaged
from optimizer.operations.headroom import Headroom
from optimizer.operations.job import job_of
from optimizer.operations.optimize import observe
from optimizer.operations.outlook import Outlook
from optimizer.operations.own_calls import OwnCalls
from optimizer.operations.reallocate import Reallocation
from optimizer.operations.record_calls import record_calls
from optimizer.purse import LedgerPurse, is_spending
from optimizer.settings import Settings
from optimizer.shared import Shared
from optimizer.store.alerts import AlertStore
from optimizer.store.applications import ApplicationStore
from optimizer.store.bindings import BindingStore
from optimizer.store.catalog import CatalogStore
from optimizer.store.decisions import DecisionStore
from optimizer.store.engine import Database
from optimizer.store.forecasts import ForecastStore
from optimizer.store.ledger import LedgerKeeper
from optimizer.store.outcomes import OutcomeKeeper
from optimizer.store.runs import RunStore
from optimizer.store.samples import StoredSamples
from optimizer.store.storage import StorageKeeper
from optimizer.store.storage import problems as storage_problems
from optimizer.thinking.scratchpad import scratchpad_at
from optimizer.thinking.thinker import Thinker

logger = logging.getLogger("sequential_resource_optimization")

THINKING_SERVER = "sequential-thinking"
"""Id under which calls of the thinking server are recorded."""


class Rooms:
    """One of each room, and the store below them. Building opens nothing and needs no event loop.

    Args:
        settings: What is configured.
        strategies: Further objectives, beside the built-in ones and those of installed packages.
        clock: The wall clock.

    Attributes:
        settings: What the rooms go by now; `reload` replaces it.
        host: The name under which this machine's samples and leases are kept.
        events: What happened.
        troubles: What the process around the rooms knows to be broken: a word, and what it means.
        advice: The same of what should be different and makes nothing worse now.

    Raises:
        ConfigurationError: A setting has a value that is not allowed.
    """

    def __init__(
        self, settings: Settings, *, strategies: Iterable[Objective], clock: Clock
    ) -> None:
        self.clock = clock
        self.host = configured.host_name()
        self.events = EventBus()
        self.troubles: dict[str, str] = {}
        self.advice: dict[str, str] = {}
        self._further = tuple(strategies)
        self._set_by(settings)
        self.allocation_strategies = configured.allocation_strategies()
        self.database = Database(settings.store_url)
        self.decisions = DecisionStore(self.database)
        self.applied = ApplicationStore(self.database)
        self.outcomes = OutcomeKeeper(self.database)
        self.samples = StoredSamples(
            self.database,
            retention=configured.retention(settings),
            interval=configured.interval(settings),
            host=self.host,
        )
        self.alerts = AlertStore(self.database)
        self.bindings = BindingStore(self.database, host=self.host)
        self.attribution = Attribution()
        self.ends = ProcessEnds(self._end_lease)
        self._ending: set[asyncio.Task[None]] = set()
        self.data_folder = configured.store_folder(settings, self.database.path)
        self.holder = Holder(
            find_home=partial(find_home, owner=str(self.data_folder)),
            find_scopes=find_scopes,
            memory=self._memory_for_leases,
        )
        self.outlook = Outlook(self._look_ahead)
        self.leased = Leased(
            self._look_at_leases, self.events, others_wrote=self.database.others_wrote
        )
        self.monitor = self._build_monitor()
        self.capacities = Capacities(
            partial(discover_capacities, data_dir=self.data_folder),
            latest=lambda: self.monitor.latest,
            follow=self._refit,
        )
        self.planner = PredictivePlanner(configured.forecast_models(settings), clock=clock)
        self.catalog = CatalogStore(self.database)
        self.profiler = Profiler(
            self.catalog,
            calls=self.outcomes,
            below=resident_below,
            make_cell=Cells(lambda: self.holder.home).make,
            clock=clock,
        )
        self.analyzer = CostBenefitAnalyzer(
            measurements=self.outcomes,
            catalog=self.catalog,
            configured=lambda: configured_servers(self.candidates),
            clock=clock,
        )
        self.own_calls = OwnCalls(self._record_own)
        self.thinker = self._build_thinker()
        self.storage = StorageKeeper(
            self.database,
            limit=settings.storage_limit,
            log=Path(settings.log_file) if settings.log_file else None,
        )
        self.other_hosts = self._build_other_hosts(settings.prometheus_url)
        self.shared = Shared()
        self.forecasting = Forecasting(
            self.monitor,
            self.planner,
            keeper=ForecastStore(self.database),
            elsewhere=self.samples,
            clock=clock,
        )
        self.fronts = Fronts(self.rules)
        self.elsewhere = Elsewhere(
            self.host, samples=self.samples, forecasting=self.forecasting, clock=clock
        )
        self.experience = Experience(
            decisions=self.decisions, applications=self.applied, monitor=self.monitor, clock=clock
        )
        self._lease_changes = 0
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.events.subscribe(self._note)
        self.events.subscribe(self.outlook.hear)
        self.events.subscribe(self.capacities.hear)
        self.headroom = Headroom(lambda: forecast_unmanaged(self.forecasting))
        self.events.subscribe(self.headroom.hear)
        self.reallocation = Reallocation(
            lambda: self.allocator,
            mode=lambda: self.settings.auto_reallocate,
            uses=lambda: self.monitor.lease_use,
            are_leases=self.leased.is_any,
            clock=clock,
        )
        self.events.subscribe(self.reallocation.hear)

    def _set_by(self, settings: Settings) -> None:
        """What a running process can change about its rooms."""
        levels = configured.thresholds(settings)
        objectives = configured.objectives(settings, self._further)
        self.settings, self.levels, self.objectives = settings, levels, objectives
        self.policy = configured.policy(settings, levels)
        self.rules = configured.rules(settings)
        self.commands = configured.commands(settings)
        self.prices = configured.prices(settings)
        self.candidates = configured.candidates(settings)

    def _build_monitor(self) -> PerformanceMonitor:
        path = self.database.path
        return PerformanceMonitor(
            machine=Machine(data_dir=self.data_folder, attribution=self.attribution),
            keeper=self.samples,
            alert_keeper=self.alerts,
            interval=configured.interval(self.settings),
            host=self.host,
            thresholds=self.levels,
            events=self.events,
            leased=self.leased,
            reliability=self.outlook.reliability,
            probes=Probes(self.settings.probes),
            sampler_lock=None if path is None else Path(f"{path}.sampler"),
            clock=self.clock,
        )

    def _build_other_hosts(self, url: str | None) -> PrometheusHosts | None:
        if not url:
            return None
        return PrometheusHosts(
            url,
            keeper=self.samples,
            may_write=lambda: self.monitor.is_writer,
            interval=configured.interval(self.settings),
        )

    def _build_thinker(self) -> Thinker:
        purse = LedgerPurse(lambda: self.allocator)
        return Thinker(
            scratchpad_at(
                self.settings.sequential_thinking_mcp_endpoint, heard=self.own_calls.heard
            ),
            mind=configured.mind(self.settings, purse, hide=(self.host,)),
        )

    def _build_pools(self, capacities: Mapping[str, Capacity]) -> dict[str, ResourcePool]:
        return build_pools(capacities, self.settings.pools, host=self.host)

    async def _refit(self, capacities: Mapping[str, Capacity]) -> None:
        """Lease what may be used now, and forget what was worked out for another amount."""
        await self.allocator.refit(self._build_pools(capacities))
        self._lease_changes += 1
        self.fronts.forget()

    @cached_property
    def counted(self) -> Counted:
        """Counts the MCP servers of this machine once a minute."""
        return Counted(
            Census().count,
            memory_bytes=lambda: self.capacities.now["memory"].amount,
            clock=self.clock,
        )

    @cached_property
    def allocator(self) -> ResourceAllocator:
        """Leases of what this machine may use."""
        pools = self._build_pools(self.capacities.now)
        return ResourceAllocator(
            pools=pools,
            ledger=LedgerKeeper(
                self.database, pools, clock=self.clock, alive=self._leases_that_run
            ),
            strategies=self.allocation_strategies,
            events=self.events,
            unmanaged=self.unmanaged,
            quotas=Quotas(self.settings.quotas, pools),
            ahead=self.headroom,
            preemption=configured.preemption(self.settings),
            weights=self.settings.weights,
            seen=self._used_of,
            clock=self.clock,
        )

    def _used_of(self, lease: str, resource: str) -> Sequence[float]:
        """What a lease was seen to use and what its command used before, equally likely.

        The longer it is watched, the less its past counts.
        """
        return (
            *self.runs.used_before(lease, resource),
            *self.reallocation.seen.of(lease, resource),
        )

    async def _leases_that_run(self) -> frozenset[str]:
        """Leases of which something runs on this machine."""
        return still_run(await self.bindings.active())

    @cached_property
    def applications(self) -> Applications:
        """Carries decisions out."""
        return Applications(
            decisions=self.decisions,
            keeper=self.applied,
            actuators=self._actuators,
            watched=Watch(self.monitor, self.clock),
            clock=self.clock,
        )

    def _actuators(self, principal: Principal) -> dict[str, Actuator]:
        """What can carry out the steps of a plan, by the name that a step says."""
        return {
            **self.commands,
            LEASES: Leases(self.allocator),
            QUOTAS: QuotasOfAll(self.allocator),
            DEFERRAL: Deferrals(self.allocator, self.clock),
            ALLOCATE: Reservation(self.allocator, principal),
        }

    @cached_property
    def runs(self) -> Runs:
        """Commands that run under leases here."""
        return Runs(
            allocator=self.allocator,
            keeper=RunStore(self.database),
            bind=self.bind,
            holder=self.holder,
            events=self.events,
            clock=self.clock,
            others_wrote=self.database.others_wrote,
        )

    async def _record_own(self, calls: Sequence[Mapping[str, Any]]) -> int:
        """Record calls of the thinking server."""
        return await record_calls(
            THINKING_SERVER,
            calls,
            witness="client",
            outcomes=self.outcomes,
            clock=self.clock,
            principal=LOCAL,
        )

    def _memory_for_leases(self) -> tuple[float, float]:
        """Bytes that leases may use together, and bytes of swap that are free."""
        sample = self.monitor.latest
        pool = self.allocator.pools["memory"]
        leasable = float(pool.leasable_parts or 0)
        unmanaged = 0.0 if sample is None else sample.unmanaged_memory or 0.0
        return max(0.0, leasable - unmanaged), free_swap()

    async def bind(
        self, allocation_id: str, pids: Sequence[int], cgroup: str | None, principal: Principal
    ) -> None:
        """Say what runs under a lease; see `bind_allocation`."""
        await bind_allocation(
            allocation_id, pids=pids, cgroup=cgroup, keeper=self.bindings, principal=principal
        )
        await self.watch_bindings()

    async def open(self) -> None:
        """Open the store, sample on an interval, and keep the ledger, the census and the storage.

        Raises:
            StorageError: The store cannot be opened.
        """
        await self.database.open()
        await self.watch_bindings()
        await self.monitor.start()
        await self.monitor.glance()
        await self.thinker.open()
        lasting: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
            "capacities": self.capacities.run,
            "ledger": partial(self.allocator.run, self.leased.until_any),
            "applications": self.applications.run,
            "runs": self.runs.keep,
            "own calls": self.own_calls.run,
            "census": self.counted.run,
            "storage": self.storage.run,
            "outlook": self.outlook.run,
            "headroom": self.headroom.run,
            "reallocation": self.reallocation.run,
            "language model": self.thinker.warm_up,
        }
        if self.other_hosts is not None:
            lasting["other hosts"] = self.other_hosts.run
        for name, run in lasting.items():
            if name not in self._tasks or self._tasks[name].done():
                self._tasks[name] = asyncio.create_task(run(), name=name)

    async def close(self) -> None:
        """Stop what `open` started and close the store; the next use opens it again."""
        tasks, self._tasks = list(self._tasks.values()), {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.ends.close()
        await asyncio.gather(*self._ending, return_exceptions=True)
        await self.monitor.stop()
        await self.thinker.close()
        await asyncio.to_thread(self.holder.leave)
        await self.own_calls.flush()
        await self.database.close()

    async def reload(self, settings: Settings) -> tuple[str, ...]:
        """Go by other settings from now on, as far as a running process can.

        Returns:
            The settings that count only after a restart.

        Raises:
            ConfigurationError: A value is not allowed; nothing was changed.
        """
        changed, waiting = configured.reloaded(self.settings, settings)
        configured.forecast_models(changed)
        probes = Probes(changed.probes)
        quotas = Quotas(changed.quotas, self.allocator.pools)
        self._set_by(changed)
        self.allocator.terms.quotas = quotas
        self.allocator.terms.preemption = configured.preemption(changed)
        self.allocator.terms.weights = changed.weights
        self.storage.limit = changed.storage_limit
        self.fronts.rules = self.rules
        self.fronts.forget()
        await self.monitor.change(thresholds=self.levels, probes=probes)
        return waiting

    async def watch_bindings(self) -> None:
        """Look at what runs under leases now, and hear when it ends."""
        bindings = await self.bindings.active()
        self.attribution.bind(bindings)
        self.ends.watch(bindings)

    async def _look_at_leases(self) -> Mapping[str, float]:
        """What is leased in all; what leases hold and what is bound to them may be other, too."""
        await self.watch_bindings()
        pools = await self.allocator.utilization()
        return {name: pool.allocated for name, pool in pools.items()}

    def _end_lease(self, binding: Binding) -> None:
        """Its processes have ended, so nobody needs what it holds."""
        task = asyncio.create_task(self._release(binding), name="release")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _release(self, binding: Binding) -> None:
        try:
            await self.allocator.release(binding.lease, Principal(binding.principal))
        except (NotFoundError, LeaseEndedError):
            return
        except OptimizerError as error:
            logger.warning("lease %d could not be released: %s", binding.number, error)
        else:
            logger.info("lease %d is released: its processes have ended", binding.number)

    async def reload_history(self) -> None:
        """Take over what was written to the store behind the monitor's back."""
        await self.monitor.reload()
        self.outlook.forget()

    async def job(self, request: OptimizationRequest, principal: Principal) -> Job:
        """What a request is about beside the machine: its task, and its session."""
        return await job_of(
            request,
            principal,
            analyzer=self.analyzer,
            allocator=self.allocator,
            prices=self.prices,
            rules=self.rules,
            uses=self.monitor.lease_use,
            now=self.clock(),
        )

    async def forecast(self, request: ForecastRequest | None = None) -> Forecast:
        """What load is coming; alerts that it calls for are raised while monitoring runs."""
        default = ForecastRequest(horizon_hours=self.policy.horizon_hours)
        forecast = await forecast_workload(
            request or default,
            of=self.forecasting,
            thresholds=self.policy.thresholds,
            models=self.policy.models,
        )
        is_here = forecast.host == self.host
        if is_here and self.monitor.is_running and forecast.forecast_available:
            await self.monitor.foresee(
                [Crossing(s.metric, s.limit, s.peak, s.at) for s in forecast.saturation],
                covered=forecast.metrics,
                until=forecast.generated_at + timedelta(hours=forecast.forecast_horizon_hours),
            )
        return forecast

    async def _look_ahead(self) -> Snapshot | str:
        """What a decision would start from now, after the forecast has raised its alerts.

        Without a forecast it is the reason why there is none: the rest says nothing of the future.
        """
        forecast = await self.forecast()
        if not forecast.forecast_available and forecast.reason is not None:
            return forecast.reason
        return await observe(
            self.monitor, self.forecasting, self.allocator, self.prices, self.policy
        )

    async def look(self) -> None:
        """Know what the machine uses: without monitoring nobody else keeps an eye on it."""
        if not self.monitor.is_running:
            await self.monitor.glance()

    def state(self) -> tuple[Hashable, ...]:
        """Tells one state from another; without monitoring every question looks anew."""
        if not self.monitor.is_running or self.monitor.latest is None:
            return (object(),)
        return self.monitor.version, self._lease_changes, id(self.settings)

    def problems(self) -> dict[str, str]:
        """What the rooms have to say in the health: a word, and what it means."""
        registries = (self.objectives, self.allocation_strategies, self.planner.models)
        problems = {
            f"plugin_failed_{part.name}": f"{registry.kind} {part.name} is left out: {part.reason}"
            for registry in registries
            for part in registry.broken
        }
        if self.database.set_aside is not None:
            problems["store_set_aside"] = (
                f"the database was damaged and was moved to {self.database.set_aside}; history "
                "and leases began anew. What to do: sqlite3 FILE .recover, or restore a backup"
            )
        if self.other_hosts is not None and self.other_hosts.problem is not None:
            problems[PROMETHEUS_DOWN] = (
                f"other hosts are not seen: {self.other_hosts.problem}. Set PROMETHEUS_URL to a "
                "Prometheus server that runs, or leave it empty"
            )
        if self.counted.latest is not None:
            problems |= self.counted.latest.warnings
        for warning in self.thinker.warnings:
            problems[warning] = f"SEQUENTIAL_THINKING_MCP_ENDPOINT is {self.thinker.scratchpad}"
        return problems | storage_problems(self.storage.latest) | self.troubles

    def unmanaged(self, leased: Mapping[str, float]) -> dict[str, float]:
        """The demand for what is named that no lease covers, by the latest sample, in its unit."""
        bound = self.attribution.leases
        use = self.monitor.lease_use.items()
        sample = self.monitor.latest
        used = {} if sample is None else sample.used
        asked = {name: used[name] for name in leased if name in used}
        seen = (each for id_, each in use if id_ in bound)
        return beyond_leases(asked, leased, seen, before=self.monitor.unmanaged)

    def _note(self, event: object) -> None:
        if isinstance(event, SampleTaken):
            self.applications.note_sample()
        if isinstance(event, LeaseChanged):
            self._lease_changes += 1
            if not is_spending(event):
                self.fronts.forget()
            if event.state in ("released", "expired", "preempted"):
                self.attribution.forget(event.allocation_id)
                self.ends.forget(event.allocation_id)
