"""The nouns refuse what cannot be."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from optimizer.errors import ConfigurationError
from optimizer.monitoring.sample import (
    DEFAULT_THRESHOLDS,
    METRICS,
    Sample,
    Threshold,
    check_thresholds,
    critical_at,
)
from tests.optimizer.monitoring.fakes import a_sample


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0, 100.1])
def test_a_sample_never_holds_an_impossible_figure(bad: float) -> None:
    with pytest.raises(ValidationError):
        a_sample(cpu_usage=bad)
    with pytest.raises(ValidationError):
        a_sample(io_pressure=bad)


def test_cpu_and_memory_are_never_missing() -> None:
    with pytest.raises(ValidationError):
        a_sample(cpu_usage=None)
    with pytest.raises(ValidationError):
        a_sample(memory_usage=None)


def test_every_stored_metric_is_an_attribute_of_a_sample() -> None:
    assert set(METRICS) <= set(Sample.model_fields)
    assert a_sample(load_1m=0.5).value("load_1m") == 0.5


def test_a_threshold_without_a_level_or_in_the_wrong_order_is_refused() -> None:
    for wrong in (
        {},
        {"warn": 90, "critical": 80},
        {"warn": 80, "critical": 90, "direction": "below"},
        {"warn": 80, "clear": 85},
    ):
        with pytest.raises(ValidationError):
            Threshold.model_validate(wrong)


@given(level=st.floats(0.01, 100), direction=st.sampled_from(["above", "below"]))
def test_a_critical_level_alone_makes_a_threshold_that_warns_before(
    level: float, direction: str
) -> None:
    if direction == "below":
        level = min(level, 1.0)

    threshold = critical_at(level, "above" if direction == "above" else "below")

    assert threshold.critical == level
    assert threshold.warn is not None
    assert threshold.warn <= level if direction == "above" else threshold.warn >= level


def test_the_documented_memory_of_67_8_percent_is_elevated() -> None:
    warn = DEFAULT_THRESHOLDS["memory_usage"].warn

    assert warn is not None
    assert warn <= 67.8


def test_a_threshold_of_something_that_is_not_stored_is_refused_with_what_is() -> None:
    check_thresholds(["cpu_usage", "reliability_score"])
    with pytest.raises(ConfigurationError, match="memory_usage"):
        check_thresholds(["cpu"])


def test_the_busier_direction_of_the_network_is_what_is_used_of_it() -> None:
    busy = a_sample(network_rx_bytes_s=3e6, network_tx_bytes_s=2e6)

    assert busy.used["network"] == 3e6
    assert "network" not in a_sample().used
