import contextlib
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from optimizer.decisions.request import Constraints, OptimizationRequest


def refusal(value: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        OptimizationRequest.model_validate(value)
    return str(refused.value)


def test_an_empty_request_means_the_whole_system_with_thinking() -> None:
    request = OptimizationRequest.model_validate({})

    assert request.scope == "system_level"
    assert request.primary_objective is None
    assert request.thinks == "server"
    assert request.detail == "brief"
    assert request.constraints == Constraints()


@pytest.mark.parametrize("alias", ["task", "session", "system", "global"])
def test_the_neighbours_scopes_are_read(alias: str) -> None:
    request = OptimizationRequest.model_validate({"scope": alias})

    assert request.scope == f"{alias}_level"


def test_an_unknown_scope_is_refused_with_those_that_exist() -> None:
    assert "'task_level', 'session_level', 'system_level' or 'global_level'" in refusal(
        {"scope": "galaxy"}
    )


def test_an_unknown_constraint_is_refused_by_name_with_the_nearest() -> None:
    message = refusal({"constraints": {"max_costs": 5.0}})

    assert "no constraint 'max_costs'" in message
    assert "did you mean max_cost?" in message


def test_an_unknown_argument_is_refused_by_name_with_the_nearest() -> None:
    assert "did you mean primary_objective?" in refusal({"primary_objectiv": "x"})
    assert "known: scope, primary_objective" in refusal({"zzz": 1})


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, "100", True])
@pytest.mark.parametrize(
    "name", ["max_cost", "min_reliability", "max_resource_increase", "max_latency_ms"]
)
def test_a_limit_is_a_finite_number_that_is_not_negative(name: str, value: object) -> None:
    assert f"constraints.{name}" in refusal({"constraints": {name: value}})


def test_a_reliability_is_at_most_one_and_a_performance_may_be_negative() -> None:
    refusal({"constraints": {"min_reliability": 1.01}})
    refusal({"constraints": {"min_performance": 101.0}})

    assert Constraints.model_validate({"min_performance": -20}).min_performance == -20


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_anything_is_either_read_or_refused(value: object) -> None:
    for place in ({"constraints": value}, {"scope": value}, {"primary_objective": value}, value):
        with contextlib.suppress(ValidationError):
            OptimizationRequest.model_validate(place)
