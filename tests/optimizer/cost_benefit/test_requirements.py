from typing import Any

import pytest

from optimizer.cost_benefit.requirements import read_requirements
from optimizer.errors import InvalidRequestError


def test_everything_has_a_stated_default() -> None:
    requirements = read_requirements(None)

    assert (requirements.calls, requirements.model_turns) == (2, 3)
    assert requirements.value_usd == pytest.approx(2 * 63.98 / 60)
    assert all(assumption.source for assumption in requirements.assumptions())


def test_what_is_given_is_said_to_be_given() -> None:
    requirements = read_requirements({"value_of_success_usd": 3, "expected_calls": 9})

    sources = {a.name: (a.value, a.source) for a in requirements.assumptions()}
    assert sources["value_of_success_usd"] == (3, "given")
    assert sources["expected_calls"] == (9, "given")
    assert sources["turns"] == (10, "expected_calls + 1, the answer")


def test_a_budget_per_call_is_multiplied_by_the_calls() -> None:
    requirements = read_requirements({"budget": 0.1, "budget_per": "call", "complexity": "high"})

    assert requirements.budget_usd_per_task == pytest.approx(0.4)


def test_an_unknown_key_is_refused_with_the_nearest_allowed_one() -> None:
    with pytest.raises(InvalidRequestError, match="did you mean max_latency_ms") as refused:
        read_requirements({"max_latency": 5})

    assert "Nothing was analysed" in str(refused.value)


@pytest.mark.parametrize(
    "raw",
    [
        {"complexity": "extreme"},
        {"budget": -1},
        {"budget": float("nan")},
        {"performance_target": 1.5},
        {"min_reliability": -0.1},
        {"max_latency_ms": 0},
        {"expected_calls": 0},
        {"task": "x" * 10_001},
        {"capabilities": ["x"] * 17},
        {"mode": "many"},
    ],
)
def test_a_bad_value_is_refused_by_name(raw: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        read_requirements(raw)

    assert str(refused.value).startswith(f"task_requirements.{next(iter(raw))}")


def test_a_set_needs_the_capabilities_to_cover() -> None:
    with pytest.raises(InvalidRequestError, match="mode set needs capabilities"):
        read_requirements({"mode": "set"})


def test_requirements_that_are_no_object_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match="give an object"):
        read_requirements(["fast"])  # type: ignore[arg-type]


def test_a_set_without_capabilities_covers_the_parts_of_its_task() -> None:
    requirements = read_requirements(
        {"mode": "set", "task": "List the files, then show the git log. And tell me the time!"}
    )

    assert requirements.needed == ("List the files", "show the git log", "tell me the time")
