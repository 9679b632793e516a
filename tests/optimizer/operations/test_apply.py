"""Decisions carried out on real targets: leases and quotas of a real ledger, real commands."""

import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optimizer.allocation.lease import public_name
from optimizer.allocation.pool import build_pools
from optimizer.decisions.answer import hash_of
from optimizer.decisions.application import Application
from optimizer.decisions.decision import Decision, Inputs, Record
from optimizer.decisions.levels import Rules
from optimizer.decisions.objectives import BUILT_IN
from optimizer.decisions.observe import snapshot_of
from optimizer.decisions.past import durations, remember
from optimizer.decisions.request import OptimizationRequest
from optimizer.decisions.snapshot import Lever, QuietWindow, Snapshot
from optimizer.decisions.steps import ALLOCATE, DEFERRAL, LEASES, QUOTAS
from optimizer.enforcement.actuator import Actuator
from optimizer.enforcement.actuators import OperatorCommand
from optimizer.enforcement.own import Deferrals, Leases, QuotasOfAll, Reservation
from optimizer.errors import ForbiddenError, InvalidRequestError
from optimizer.identity import LOCAL, Principal
from optimizer.machine.capacity import Capacity
from optimizer.monitoring.history import Series
from optimizer.operations.apply import STEP, Applications, ApplyRequest
from optimizer.operations.explain import ExplainRequest, explain_decision
from optimizer.plugins import Registry
from optimizer.prices import FARGATE
from optimizer.store.applications import ApplicationStore
from optimizer.store.decisions import DecisionStore
from optimizer.store.engine import MEMORY_URL, Database
from tests.optimizer.allocation.conftest import GIB, FakeClock, House
from tests.optimizer.decisions.test_answer import decide
from tests.optimizer.decisions.test_observe import forecast, metric, observation

SETS = "import sys; open(sys.argv[1], 'w').write(sys.argv[2])"
"""A program that sets a limit: it writes the number into a file."""


@dataclass
class Machine:
    """What the monitor would say."""

    status: str = "healthy"
    means: dict[str, float] = field(default_factory=dict)
    past: tuple[Series, ...] = ()

    def health(self) -> str:
        return self.status

    def mean_since(self, metric: str, since: datetime) -> float | None:
        return self.means.get(metric)

    def series(self) -> tuple[Series, ...]:
        return self.past


class Site:
    """An allocator over a real store, and what carries decisions out on it."""

    def __init__(self, database: Database) -> None:
        found = {
            "cpu": Capacity("cpu", 8.0, "core", "test"),
            "memory": Capacity("memory", 16.0 * GIB, "byte", "test"),
        }
        self.house = House(FakeClock(), database, build_pools(found, {}, host="box"))
        self.clock, self.allocator = self.house.clock, self.house.allocator
        self.machine = Machine()
        self.commands: dict[str, OperatorCommand] = {}
        self.decisions = DecisionStore(database)
        self.kept = ApplicationStore(database)
        self.applications = Applications(
            decisions=self.decisions,
            keeper=self.kept,
            actuators=self.actuators,
            watched=self.machine,
            clock=self.clock,
        )

    def actuators(self, principal: Principal) -> dict[str, Actuator]:
        return {
            **self.commands,
            LEASES: Leases(self.allocator),
            QUOTAS: QuotasOfAll(self.allocator),
            DEFERRAL: Deferrals(self.allocator, self.clock),
            ALLOCATE: Reservation(self.allocator, principal),
        }

    async def look(self, use: dict[str, dict[str, float]] | None = None) -> Snapshot:
        seen = observation(forecast(metric("cpu_usage"), metric("memory_usage")))
        seen = replace(
            seen,
            sample=seen.sample.model_copy(update={"timestamp": self.clock()}),
            pools=await self.allocator.utilization(),
            leases=await self.allocator.held(),
            lease_use=use or {},
            quotas=self.allocator.terms.quotas.of("*"),
            levers={"cpu": Lever(actuator="web", downtime=False)} if self.commands else {},
        )
        return snapshot_of(seen, FARGATE)

    async def decide(self, snapshot: Snapshot, **asked: Any) -> Decision:
        decision = decide(snapshot, asked)
        inputs = Inputs(
            snapshot=snapshot,
            request=OptimizationRequest.model_validate(asked),
            objective=decision.strategy,
            rules=Rules(),
        )
        assert decision.inputs_hash == hash_of(inputs)
        await self.decisions.save(Record(decision=decision, inputs=inputs))
        return decision

    async def apply(
        self, decision: Decision, *, dry_run: bool = False, principal: Principal = LOCAL
    ) -> Application:
        request = ApplyRequest(decision_id=decision.decision_id, dry_run=dry_run)
        return await self.applications.apply(request, principal)

    def writes(self, path: Path, name: str = "web", unit: str = "core") -> None:
        argv = (sys.executable, "-c", SETS, str(path), "{to}")
        self.commands[name] = OperatorCommand(name, argv, unit=unit)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    database = Database(MEMORY_URL)
    yield Site(database)
    await database.close()


async def crowded(site: Site) -> tuple[Decision, str]:
    """Alice holds 7.5 of 8 cores and uses half a core."""
    lease = await site.house.ask(resources={"cpu": "7500m"}, ttl_s=7200)
    site.clock.advance(seconds=1200)
    snapshot = await site.look({lease.allocation_id or "": {"cpu": 0.5}})
    return await site.decide(snapshot), lease.allocation_id or ""


def states(application: Application) -> dict[str, str]:
    return {outcome.action: outcome.state for outcome in application.steps}


async def test_a_lease_is_shrunk_to_what_it_needs_and_a_quota_set(site: Site) -> None:
    decision, allocation_id = await crowded(site)

    applied = await site.apply(decision)

    [lease] = await site.allocator.held()
    # Half a core in use, and the forecast lets the machine's use grow from 25 % to 80 %.
    assert [grant.granted for grant in lease.grants] == [1_600_000]
    assert site.allocator.terms.quotas.of("anybody") == {"cpu": 4_000_000}
    assert (applied.state, states(applied)["shrink_lease"]) == ("applied", "done")
    assert allocation_id not in decision.model_dump_json()
    assert public_name(allocation_id) in decision.model_dump_json()
    assert all(audit.holds for audit in await site.allocator.audit())


async def test_a_dry_run_says_what_would_be_done_and_touches_nothing(site: Site) -> None:
    decision, _ = await crowded(site)

    tried = await site.apply(decision, dry_run=True)

    [lease] = await site.allocator.held()
    assert [grant.granted for grant in lease.grants] == [7_500_000]
    assert (tried.state, states(tried)["set_quota"]) == ("rehearsed", "would_run")
    assert site.allocator.terms.quotas.of("anybody") == {}
    assert await site.kept.find(decision.decision_id) is None


async def test_a_world_that_has_changed_refuses_the_whole_plan(site: Site) -> None:
    decision, allocation_id = await crowded(site)
    await site.allocator.resize(public_name(allocation_id), "cpu", 5.0)

    refused = await site.apply(decision)

    assert (refused.state, states(refused)["shrink_lease"]) == ("refused", "failed")
    assert "holds 5 cores of cpu now, not 7.5" in refused.because
    assert site.allocator.terms.quotas.of("anybody") == {}


async def test_a_critical_machine_refuses_the_whole_plan(site: Site) -> None:
    decision, _ = await crowded(site)
    site.machine.status = "critical"

    refused = await site.apply(decision)

    assert (refused.state, states(refused)["preparation"]) == ("refused", "failed")
    assert site.allocator.terms.quotas.of("anybody") == {}


async def grown(site: Site, path: Path) -> Decision:
    """Twice the cores, by a command of the operator."""
    site.writes(path)
    return await site.decide(
        await site.look(),
        primary_objective="performance_maximization",
        constraints={"focus": "cpu"},
    )


async def test_an_operators_command_runs_and_stays_when_its_predicate_holds(
    site: Site, tmp_path: Path
) -> None:
    decision = await grown(site, tmp_path / "cpus")

    applied = await site.apply(decision)
    site.clock.advance(seconds=599)
    await site.applications.judge()
    early = await site.kept.find(decision.decision_id)
    site.machine.means["cpu_usage"] = 20.0
    site.clock.advance(seconds=1)
    await site.applications.judge()
    settled = await site.kept.find(decision.decision_id)

    assert (tmp_path / "cpus").read_text() == "16"
    assert (applied.state, states(applied)["increase_cpu"]) == ("verifying", "done")
    assert early is not None
    assert early.state == "verifying"
    assert settled is not None
    assert (settled.state, settled.settled_at) == ("applied", site.clock())


async def test_a_predicate_that_fails_takes_the_command_back(site: Site, tmp_path: Path) -> None:
    decision = await grown(site, tmp_path / "cpus")
    await site.apply(decision)

    site.machine.means["cpu_usage"] = 99.0
    site.clock.advance(seconds=600)
    await site.applications.judge()

    settled = await site.kept.find(decision.decision_id)
    assert (tmp_path / "cpus").read_text() == "8"
    assert settled is not None
    assert (settled.state, states(settled)["increase_cpu"]) == ("rolled_back", "rolled_back")
    assert "cpu_usage was 99 in the mean since" in settled.because


async def test_a_machine_that_becomes_critical_takes_the_command_back_at_once(
    site: Site, tmp_path: Path
) -> None:
    decision = await grown(site, tmp_path / "cpus")
    await site.apply(decision)

    site.machine.status = "critical"
    await site.applications.judge()

    settled = await site.kept.find(decision.decision_id)
    assert (tmp_path / "cpus").read_text() == "8"
    assert settled is not None
    assert settled.state == "rolled_back"


async def test_a_plan_that_was_made_for_a_critical_machine_is_carried_out_on_it(
    site: Site, tmp_path: Path
) -> None:
    site.writes(tmp_path / "cpus")
    site.machine.status = "critical"
    decision = await site.decide(
        (await site.look()).model_copy(update={"health": "critical"}),
        primary_objective="performance_maximization",
        constraints={"focus": "cpu"},
    )

    applied = await site.apply(decision)
    await site.applications.judge()

    kept = await site.kept.find(decision.decision_id)
    assert (tmp_path / "cpus").read_text() == "16"
    assert applied.state == "verifying"
    assert kept is not None
    assert kept.state == "verifying"


async def test_a_step_that_fails_takes_back_those_before_it(site: Site, tmp_path: Path) -> None:
    site.writes(tmp_path / "cpus")
    lease = await site.house.ask(resources={"cpu": "7500m"}, ttl_s=7200)
    site.clock.advance(seconds=1200)
    decision = await site.decide(
        await site.look({lease.allocation_id or "": {"cpu": 0.5}}),
        primary_objective="performance_maximization",
        constraints={"focus": "cpu"},
    )
    grows = "float(sys.argv[2]) > float(sys.argv[1])"
    fails = f"import sys; sys.exit('the daemon is away' if {grows} else 0)"
    site.commands["web"] = OperatorCommand("web", (sys.executable, "-c", fails, "{from}", "{to}"))

    failed = await site.apply(decision)

    [held] = await site.allocator.held()
    assert [grant.granted for grant in held.grants] == [7_500_000]
    assert site.allocator.terms.quotas.of("anybody") == {}
    assert failed.state == "rolled_back"
    assert states(failed)["shrink_lease"] == "rolled_back"
    assert "the daemon is away" in failed.because


async def test_what_cannot_be_taken_back_is_said(site: Site, tmp_path: Path) -> None:
    site.commands["web"] = OperatorCommand("web", (sys.executable, "-c", "exit(3)"))
    decision = await site.decide(
        await site.look(),
        primary_objective="performance_maximization",
        constraints={"focus": "cpu"},
    )

    failed = await site.apply(decision)

    [stuck] = [outcome for outcome in failed.steps if outcome.state == "rollback_failed"]
    assert failed.state == "rollback_failed"
    assert "not taken back: " in stuck.detail
    assert "ended with 3: it said nothing" in stuck.detail
    assert failed.next.startswith(f"step {stuck.step} could not be taken back")


async def test_work_that_can_wait_is_put_off_until_the_quiet_window(site: Site) -> None:
    start = site.clock() + timedelta(hours=3)
    window = QuietWindow(start=start, end=start + timedelta(hours=1), description="quiet")
    snapshot = (await site.look()).model_copy(update={"quiet_windows": (window,)})
    cpu = snapshot.resources[0]
    tight = tuple(q.model_copy(update={"amount": q.amount * 1.4}) for q in cpu.outlook)
    resources = (cpu.model_copy(update={"outlook": tight}), *snapshot.resources[1:])
    decision = await site.decide(
        snapshot.model_copy(update={"resources": resources}),
        constraints={"max_resource_increase": 0.0},
    )

    applied = await site.apply(decision)
    low = await site.house.ask(resources={"cpu": 10}, priority_level="low")

    assert states(applied)["defer_movable_work"] == "done"
    assert low.binding_resource == "deferral"


async def test_a_task_gets_the_lease_that_was_sized_for_it(site: Site) -> None:
    decision = await site.decide(await site.look(), scope="task_level")

    applied = await site.apply(decision)

    [lease] = await site.allocator.held()
    assert lease.principal == LOCAL.name
    assert states(applied)["allocate"] == "done"


async def test_what_nothing_here_can_carry_out_stays_advice(site: Site) -> None:
    decision = await site.decide(await site.look(), primary_objective="performance_maximization")

    answer = await site.apply(decision)

    assert answer.state == "advice"
    assert states(answer)["increase_cpu"] == "advice"


async def test_a_decision_is_carried_out_once_and_while_it_is_fresh(site: Site) -> None:
    decision, _ = await crowded(site)
    await site.apply(decision)

    with pytest.raises(InvalidRequestError, match="was carried out at"):
        await site.apply(decision)
    site.clock.advance(seconds=3700)
    with pytest.raises(InvalidRequestError, match="62 minutes ago"):
        await site.apply(decision)


async def test_only_operators_may(site: Site) -> None:
    decision, _ = await crowded(site)

    with pytest.raises(ForbiddenError, match="for operators"):
        await site.apply(decision, principal=Principal("token:default", role="user"))

    [lease] = await site.allocator.held()
    assert [grant.granted for grant in lease.grants] == [7_500_000]


async def test_what_it_changed_is_measured_after_an_hour_kept_and_explained(
    site: Site, tmp_path: Path
) -> None:
    decision = await grown(site, tmp_path / "cpus")
    applied_at = site.clock()
    await site.apply(decision)
    site.clock.advance(seconds=600)
    await site.applications.judge()
    values = np.concatenate([np.full(24, 70.0), np.full(12, 35.0)])
    start = applied_at - 24 * STEP
    site.machine.past = (Series("cpu_usage", values, STEP, start),)

    site.clock.advance(seconds=3000)
    await site.applications.judge()

    request = ExplainRequest(decision_id=decision.decision_id, detail="effect")
    explained = await explain_decision(
        request,
        keeper=site.decisions,
        objectives=Registry("objective", BUILT_IN),
        applications=site.applications,
    )
    kept = await site.kept.find(decision.decision_id)
    assert kept is not None
    assert kept.effect is not None
    assert explained.effect == kept.effect
    assert explained.effect is not None
    assert explained.effect.statement == "cpu_usage fell by 35 % (-35 to -35)"
    assert explained.application is not None
    assert explained.application.principal is None
    [newest] = remember([decision], [kept])
    assert newest.sentence.endswith("carried out: cpu_usage fell by 35 % (-35 to -35)")
    assert await site.kept.unfinished() == ()


async def test_the_next_plan_says_how_long_such_a_step_took(site: Site, tmp_path: Path) -> None:
    first = await grown(site, tmp_path / "cpus")
    before = {s["action"]: s["duration_source"] for s in first.implementation_plan}

    applied = await site.apply(first)
    took = durations([applied])
    snapshot = (await site.look()).model_copy(update={"durations": took})
    asked = {"primary_objective": "performance_maximization", "constraints": {"focus": "cpu"}}
    [step] = [s for s in decide(snapshot, asked).implementation_plan if s["target"] == "box:cpu"]

    assert before["increase_cpu"] == "default"
    assert took.keys() == {"increase_cpu"}
    assert 0 < took["increase_cpu"] < 60
    assert step["duration_source"] == "measured"
    assert "_second" in step["estimated_duration"]
