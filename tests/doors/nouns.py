"""One noun of each kind, made by hand, for tests of the doors alone."""

from datetime import UTC, datetime, timedelta

from optimizer.allocation.allocator import AllocationList
from optimizer.allocation.audit import audit_report
from optimizer.allocation.lease import Allocation, Alternative
from optimizer.allocation.ledger import PoolAudit
from optimizer.allocation.pool import PoolState
from optimizer.decisions.application import Application, StepOutcome
from optimizer.decisions.decision import ConstraintCheck, Decision
from optimizer.decisions.explain import Explanation
from optimizer.forecasting.forecast import (
    BacktestScore,
    Forecast,
    MetricForecast,
    ModelForecast,
    Prediction,
    QuietWindow,
    ScalingRecommendation,
    ServedScore,
)
from optimizer.machine.capacity import Capacity
from optimizer.machine.census import Server
from optimizer.monitoring.health import explain
from optimizer.monitoring.sample import Alert, PastAlert, Sample, Trend
from optimizer.operations.alerts import Alerts
from optimizer.operations.allocate_batch import BatchAnswer
from optimizer.operations.catalog import CatalogReport, CatalogServer
from optimizer.operations.census import McpCensus
from optimizer.operations.forecast_skill import ForecastSkill, LeadScore
from optimizer.operations.health import Free, HealthReport
from optimizer.operations.history import History
from optimizer.operations.metrics import MetricsReport, ResourceAllocation
from optimizer.operations.profile_mcp import Profiled, ProfileReport
from optimizer.operations.reallocate import Party, Proposal, ReallocationReport
from optimizer.thinking.question import Reasoning, Thought

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)

THOUGHT = Thought(number=1, kind="assess", text="CPU is at 45.2 %")

HEALTH = HealthReport(
    status="healthy",
    host="here",
    cpu_usage=45.2,
    memory_usage=67.8,
    reliability_score=None,
    issues=(),
    warnings=("elevated_memory_usage",),
    unknown={"reliability_score": "2 requests in the last hour; a rate needs 20"},
    details={"elevated_memory_usage": "memory_usage is 67.8 %; warning from 67.5 %"},
    sampled_at=NOW,
    computed_at=NOW,
    version="1.0.0",
    capacity={"cpu": Capacity("cpu", 2.0, "core", "cgroup v2")},
    free={"cpu": Free(available=1.0, total=2.0, unit="core", summary="1 of 2 cores free")},
)

CATALOG = CatalogReport(
    servers=(
        CatalogServer(
            mcp_id="io.github.x/files",
            status="profiled",
            source="mcp.json",
            command="node files.js",
            profiled_at=NOW,
            tools=14,
            tool_list_tokens=1638,
            connect_ms=275.0,
            resident_bytes=68 * 2**20,
        ),
    ),
    next="analyze_mcp_selection chooses among them for a task",
)

PROFILED = ProfileReport(
    profiled=(Profiled(mcp_id="files", status="profiled", command="node files.js", tools=14),),
    next="sro://catalog tells the rest",
)

POOL = PoolState(
    resource="cpu",
    host="here",
    unit="core",
    kind="compressible",
    total=2.0,
    allocated=0.0,
    spent=None,
    unmanaged=0.9,
    reserved=0.05,
    available=1.0,
    summary="1 of 2 cores free",
    source="cgroup v2",
)

ALERT = Alert(
    metric="memory_usage",
    level="warning",
    value=91.5,
    threshold=90.0,
    direction="above",
    raised_at=NOW,
)

ALERTS = Alerts(
    standing=(ALERT,),
    recent=(PastAlert(alert=ALERT, cleared_at=None),),
    details={ALERT.word: explain(ALERT)},
)

CENSUS = McpCensus(
    servers=(Server("playwright", 3, 6, 900 * 2**20, {"claude": 2, "systemd": 1}, (4242,)),),
    copies=3,
    memory_bytes=900 * 2**20,
    orphans=1,
    warnings={"mcp_orphans": "1 MCP server has outlived its host (playwright 1)"},
    counted_at=NOW,
)

METRICS = MetricsReport(
    current_metrics=Sample(
        host="here",
        timestamp=NOW,
        cpu_usage=45.2,
        memory_usage=67.8,
        cpu_cores=2,
        memory_bytes=8 * 2**30,
        memory_used_bytes=5 * 2**30,
    ),
    performance_trends={"cpu_trend": "stable", "memory_trend": "increasing", "error_trend": None},
    resource_allocation=ResourceAllocation(total_allocations=0, resource_utilization={"cpu": POOL}),
    trends={
        "cpu_trend": Trend(
            metric="cpu_usage", trend="stable", per_hour=0.1, p_value=0.4, window_s=3600
        )
    },
    alerts=(),
    mcp_servers=CENSUS,
    unknown={"error_trend": "no requests were counted"},
    computed_at=NOW,
)

HOURS = 12

CPU = MetricForecast(
    metric="cpu_usage",
    unit="%",
    maximum=100.0,
    model="ml_hybrid",
    step_s=3600,
    origin=NOW,
    last=45.2,
    mean=tuple(40.0 + hour for hour in range(HOURS)),
    quantiles={
        name: tuple(40.0 + offset + hour for hour in range(HOURS))
        for name, offset in (("0.1", -10), ("0.5", 0), ("0.9", 12), ("0.95", 15))
    },
    confidence=(0.8123456,) * HOURS,
    backtest=BacktestScore(skill=0.31, error=4.2, naive_error=6.1, coverage=0.79, n=480),
    weights={"daily": 1.0},
    served={
        lead: ServedScore(
            n=n,
            skill=0.28,
            coverage=0.81,
            coverage_interval=(0.7, 0.9),
            verdict=f"errors 28 % smaller than repeating yesterday, over {n} comparisons",
        )
        for lead, n in (("1h", 48), ("2-6h", 240), ("7-24h", 860))
    },
)

SKILL = ForecastSkill(
    host="here",
    days=30,
    metrics={
        "cpu_usage": (
            LeadScore(
                **dict(CPU.served["2-6h"]), lead="2-6h", width_factor=0.98, yesterday_share=0.02
            ),
        )
    },
    notes=("memory_usage, 1h ahead: no better than repeating yesterday, over 12 comparisons",),
)

FORECAST = Forecast(
    forecast_available=True,
    have_hours=200,
    need_hours=24,
    host="here",
    forecast_horizon_hours=HOURS,
    generated_at=NOW,
    origin=NOW,
    metrics={"cpu_usage": CPU},
    model_forecasts={
        "linear_trend": ModelForecast(
            predictions=(
                Prediction(
                    hour_offset=1,
                    timestamp=NOW + timedelta(hours=1),
                    cpu_usage=48.5,
                    memory_usage=None,
                    confidence=0.85,
                ),
            ),
            backtest={},
        )
    },
    scaling_recommendations=(
        ScalingRecommendation(
            type="scale_memory_resources",
            priority="medium",
            target_increase="20%",
            reason="memory_usage reaches 91 %",
            metric="memory_usage",
            probability=0.4,
            target_probability=0.05,
            needed_by=None,
        ),
    ),
    quiet_windows=tuple(
        QuietWindow(
            start=NOW + timedelta(hours=hour),
            end=NOW + timedelta(hours=hour + 2),
            hours=2,
            cpu_usage=30.0,
            memory_usage=None,
        )
        for hour in range(5)
    ),
)

DECISION = Decision(
    decision_id="opt-1",
    strategy="balanced_optimization",
    scope="system_level",
    status="feasible",
    estimated_cost=None,
    estimated_performance=35.512345,
    estimated_reliability=28.2,
    performance_bounds=(30.0, 41.0),
    confidence_score=0.87,
    implementation_plan=[
        {
            "step": 1,
            "action": "preparation",
            "description": "Note what is running",
            "estimated_duration": "10_minutes",
            "duration_source": "default",
            "target": None,
            "from_value": None,
            "to_value": None,
            "unit": None,
            "depends_on": [],
            "rollback": None,
            "verify": None,
            "carried_out_by": "operator",
        }
    ],
    cost_delta=None,
    reliability=0.97,
    reliability_bounds=(0.97, 0.98),
    confidence_basis="forecast_backtest",
    confidence_n=480,
    constraints=(
        ConstraintCheck(
            name="max_cost", limit=200.0, actual=None, slack=None, unit="USD/month", held=None
        ),
    ),
    conflict=None,
    candidate_id="cpu x1",
    pareto=(),
    reasoning=Reasoning(path="solver_only:off", scratchpad="none", ms=0.0),
    objective_asked=None,
    objective_because="it is the default",
    summary="balanced_optimization: keep 2 cores.",
    assumptions=("CPU is an M/M/c queue",),
    warnings=(),
    unknown={"estimated_cost": "no price of cpu is configured; set prices in sro.toml"},
    inputs_hash="0" * 64,
    horizon_hours=24,
    host="here",
    created_at=NOW,
    computed_at=NOW,
    next="Carry out implementation_plan step by step",
)

APPLICATION = Application(
    decision_id="opt-1",
    state="applied",
    steps=(
        StepOutcome(
            step=1, action="set_quota", target="*:cpu", state="done", detail="cpu: 1 core for all"
        ),
    ),
    principal="local",
    applied_at=NOW,
    seconds=0.01,
    settled_at=NOW,
    next="explain_decision detail=effect says what it changed",
)

HISTORY = History(optimization_history=(DECISION,), total=1)

EXPLANATION = Explanation(
    decision_id="opt-1",
    detail="thoughts",
    summary=DECISION.summary,
    thoughts=(THOUGHT,),
    reasoning_path="scratchpad+solver",
)

LEASE = Allocation(
    allocation_id="alloc_1",
    state="active",
    summary="Granted cpu 0.2 core.",
    requested={"cpu": 0.2},
    granted={"cpu": 0.2},
    units={"cpu": "core"},
    granted_fraction=1.0,
    strategy="balanced",
    strategy_effect="everything fits",
    priority_level="normal",
    purpose="a build",
    principal="local",
    granted_at=NOW,
    expires_at=NOW + timedelta(seconds=900),
    expires_in_s=900.0,
    ttl_s=900,
    fencing_token=7,
    next="renew_allocation before it ends; release_allocation when done",
)

REFUSAL = Allocation(
    state="refused",
    summary="1000 cores are more than there are.",
    requested={"cpu": 1000.0},
    granted={},
    units={"cpu": "core"},
    granted_fraction=0.0,
    strategy="balanced",
    strategy_effect="nothing was granted",
    priority_level="normal",
    binding_resource="cpu",
    free_now={"cpu": 2.0},
    alternatives=(
        Alternative(
            granted={"cpu": 2.0}, granted_fraction=0.002, wait_s=0.0, how="min_fraction=0.002"
        ),
    ),
    next="min_fraction=0.002",
    unknown={"fits_in_s": "it asks for more cpu than can ever be leased here"},
)

ENDED = LEASE.model_copy(update={"state": "released", "expires_in_s": None})

ALLOCATIONS = AllocationList(allocations=(LEASE,), total=1, pools={"cpu": POOL})

BATCH = BatchAnswer(
    summary="Granted 1 of 1, worth 3: no choice is worth more.",
    granted=1,
    value=3.0,
    is_proven=True,
    allocations=(LEASE,),
)

AUDIT = audit_report(
    [PoolAudit("cpu", "here", "core", 8_000_000, 2_000_000, 2_000_000, 2_000_000, 0, 0)], NOW
)

REALLOCATION = ReallocationReport(
    mode="propose",
    summary="1 changes are proposed; apply=true carries them out.",
    proposals=(
        Proposal(
            resource="cpu",
            unit="core",
            amount=1.0,
            gains=Party(lease="lease-1", priority_level="high", from_amount=1.0, to_amount=2.0),
            loses=None,
            why="lease-1 got less cpu than it asked for; 1 core became free.",
        ),
    ),
    computed_at=NOW,
)
