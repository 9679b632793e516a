"""One word for an agent."""

from optimizer.monitoring.alerts import AlertState, advance
from optimizer.monitoring.health import STALLED, assess
from optimizer.monitoring.sample import DEFAULT_THRESHOLDS, Health
from tests.optimizer.monitoring.fakes import NOON, a_sample


def health_of(problems: dict[str, str] | None = None, **figures: float) -> Health:
    """The health that one sample shows."""
    sample = a_sample(unknown={"reliability_score": "no requests"}, **figures)
    values = {metric: sample.value(metric) for metric in DEFAULT_THRESHOLDS}
    state, _ = advance(AlertState(), values, DEFAULT_THRESHOLDS, at=NOON, now_s=0)
    return assess(sample, state.raised.values(), problems=problems or {}, at=NOON)


def test_a_calm_machine_is_healthy() -> None:
    health = health_of()

    assert (health.status, health.issues, health.warnings) == ("healthy", (), ())
    assert health.unknown == {"reliability_score": "no requests"}


def test_elevated_use_is_a_warning_and_still_healthy_as_in_the_reference() -> None:
    health = health_of(cpu_usage=45.2, memory_usage=67.8)

    assert (health.status, health.warnings) == ("healthy", ("elevated_memory_usage",))
    assert "67.8 %" in health.details["elevated_memory_usage"]


def test_use_beyond_the_critical_level_is_an_issue() -> None:
    health = health_of(cpu_usage=97.0)

    assert (health.status, health.issues) == ("critical", ("high_cpu_usage",))
    assert "critical from 85 %" in health.details["high_cpu_usage"]


def test_failing_requests_degrade_before_they_are_critical() -> None:
    assert health_of(error_rate=0.04).status == "degraded"
    assert health_of(error_rate=0.05).status == "critical"


def test_a_trouble_of_our_own_degrades_and_is_explained() -> None:
    health = health_of(problems={"history_not_stored": "the disk is full"})

    assert (health.status, health.warnings) == ("degraded", ("history_not_stored",))
    assert health.details["history_not_stored"] == "the disk is full"


def test_old_figures_make_the_state_unknown_even_when_they_look_bad() -> None:
    health = health_of(problems={STALLED: "the last sample is of yesterday"}, cpu_usage=97.0)

    assert health.status == "unknown"
    assert health.cpu_usage == 97.0


def test_servers_that_nobody_needs_are_a_warning_and_degrade_nothing() -> None:
    health = assess(a_sample(), (), problems={"mcp_orphans": "2 have no host"}, at=NOON)

    assert health.status == "healthy"
    assert health.warnings == ("mcp_orphans",)
