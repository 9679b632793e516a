from pathlib import Path

import pytest

from optimizer.configured import LIVE, problems, reloaded
from optimizer.errors import ConfigurationError
from optimizer.orchestrator import SequentialResourceOptimizer
from optimizer.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(database_url="sqlite:///:memory:", data_dir=tmp_path)


def test_what_is_live_is_a_setting() -> None:
    assert set(Settings.model_fields) > LIVE


def test_what_cannot_change_is_named_and_stays(settings: Settings) -> None:
    read = settings.model_copy(update={"port": 1, "rate_limit": 5.0})

    changed, waiting = reloaded(settings, read)

    assert waiting == ("port",)
    assert (changed.port, changed.rate_limit) == (settings.port, 5)


async def test_an_optimizer_goes_by_its_new_settings(settings: Settings) -> None:
    optimizer = SequentialResourceOptimizer(settings=settings)
    changed = Settings.model_validate(
        settings.model_dump()
        | {
            "cpu_alert_threshold": 50,
            "quotas": {"*": {"mcp_tokens": "5k"}},
            "optimization_strategies": {
                "default": "cost_minimization",
                "emergency": "cost_minimization",
            },
        }
    )
    async with optimizer:
        waiting = await optimizer.reload(changed)
        refused = await optimizer.allocate({"resources": {"mcp_tokens": "6k"}})
        decision = await optimizer.optimize_resources()

    assert waiting == ()
    assert optimizer.performance_monitor.thresholds["cpu_usage"].critical == 50
    assert refused.binding_resource == "quota"
    assert decision.strategy == "cost_minimization"


async def test_a_bad_value_changes_nothing(settings: Settings) -> None:
    optimizer = SequentialResourceOptimizer(settings=settings)
    bad = settings.model_copy(update={"quotas": {"*": {"nothing": 1}}, "cpu_alert_threshold": 1.0})

    with pytest.raises(ConfigurationError, match="there is no such pool"):
        await optimizer.reload(bad)

    assert optimizer.settings is settings
    assert optimizer.performance_monitor.thresholds["cpu_usage"].critical == 85


async def test_troubles_degrade_and_advice_does_not(settings: Settings) -> None:
    optimizer = SequentialResourceOptimizer(settings=settings)
    before = await optimizer.get_health()
    optimizer.advice["tls_off"] = "set TLS_CERTFILE"
    advised = await optimizer.get_health()
    optimizer.troubles["broken"] = "mend it"
    troubled = await optimizer.get_health()

    assert "tls_off" in advised.warnings
    assert advised.details["tls_off"] == "set TLS_CERTFILE"
    assert {before.status, advised.status} <= {"healthy", "degraded", "critical"}
    assert troubled.status != "healthy"


def test_every_room_says_what_it_would_refuse(settings: Settings) -> None:
    bad = Settings.model_validate(
        settings.model_dump()
        | {
            "alert_thresholds": {"nonsense": 1},
            "optimization_strategies": {"default": "nothing"},
            "forecasting": {"models": ["none"]},
            "quotas": {"a": {"nowhere": 1}},
            "probes": {"x": "file:///etc/passwd"},
            "sequential_thinking_mcp_endpoint": "telnet:x",
        }
    )

    assert len(problems(bad)) == 6
    assert problems(settings) == ()
