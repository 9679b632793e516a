"""One word for an agent."""

import pytest

from optimizer.monitoring.alerts import CALM, advance
from optimizer.monitoring.health import PROBES_FAILED, STALLED, assess, explain
from optimizer.monitoring.probes import NOT_ASKED
from optimizer.monitoring.sample import ALERTABLE, DEFAULT_THRESHOLDS, Alert, Health, Threshold
from tests.optimizer.monitoring.fakes import NOON, a_sample


def health_of(problems: dict[str, str] | None = None, **figures: float) -> Health:
    """The health that one sample shows."""
    sample = a_sample(unknown={"reliability_score": "no requests"}, **figures)
    state, _ = advance(CALM, sample.value, DEFAULT_THRESHOLDS, at=NOON, now_s=0)
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


@pytest.mark.parametrize("metric", ALERTABLE)
def test_every_alert_says_what_to_do(metric: str) -> None:
    alert = Alert(
        metric=metric, level="warning", value=2, threshold=1, direction="above", raised_at=NOON
    )

    assert len(explain(alert).partition("What to do: ")[2]) > 20


def test_a_service_that_does_not_answer_is_told_once_it_was_asked() -> None:
    latency = {"primary": 3.0, "secondary": None, "wiki": 3.0, "files": None, "new": None}
    why = {"network_latency.files": "not reached", "network_latency.new": NOT_ASKED}
    health = assess(a_sample(network_latency=latency, unknown=why), (), problems={}, at=NOON)

    assert (health.status, health.warnings) == ("healthy", (PROBES_FAILED,))
    assert health.details[PROBES_FAILED].startswith("no good answer from files: not reached. What")


def test_reliability_that_is_low_for_want_of_requests_raises_no_alert() -> None:
    thresholds = {"reliability_score": Threshold(critical=0.9, direction="below")}
    young = a_sample(reliability_score=0.84, reliability_seen=0.999)
    failing = a_sample(reliability_score=0.84, reliability_seen=0.86)

    raised = [
        advance(
            CALM,
            sample.watched,
            thresholds,
            at=NOON,
            now_s=0,
        )[0].raised
        for sample in (young, failing)
    ]

    assert [list(each) for each in raised] == [[], ["reliability_score"]]
