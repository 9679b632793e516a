from typing import Any

import pytest

from optimizer.cost_benefit.descriptor import MAX_CANDIDATES, read_options
from optimizer.errors import InvalidRequestError


def test_a_neighbours_descriptor_is_read_under_its_own_names() -> None:
    [option] = read_options(
        [
            {
                "name": "graph",
                "description": "Works on graphs.",
                "capabilities": ["query", "traverse"],
                "category": "analysis",
                "usage_frequency": 12,
                "reliability_score": 0.97,
                "cost_efficiency": 0.8,
                "pareto_score": 0.4,
                "metadata": {"author": "somebody"},
            }
        ]
    )

    assert option.id == "graph"
    assert option.claims.reliability == 0.97
    assert option.capabilities == ("query", "traverse")
    assert set(option.not_used) == {"usage_frequency", "cost_efficiency", "pareto_score"}


@pytest.mark.parametrize(
    ("descriptor", "claim", "value"),
    [
        ({"cost": 0.05}, "cost_usd", 0.05),
        ({"cost_usd_per_call": 0.05}, "cost_usd", 0.05),
        ({"performance": 0.9}, "performance", 0.9),
        ({"quality": 0.9}, "performance", 0.9),
        ({"success_rate": 0.99}, "reliability", 0.99),
        ({"reliability": 0.99}, "reliability", 0.99),
        ({"latency_ms": 120}, "latency_ms", 120.0),
        ({"response_time_ms": 120}, "latency_ms", 120.0),
    ],
)
def test_every_alias_means_its_claim(descriptor: dict[str, Any], claim: str, value: float) -> None:
    [option] = read_options([{"id": "x"} | descriptor])

    assert getattr(option.claims, claim) == value


def test_a_misspelled_field_is_named_with_its_nearest() -> None:
    [option] = read_options([{"id": "x", "latencyms": 3}])

    assert option.not_used == {"latencyms": "not read; did you mean latency_ms?"}


def test_values_of_unknown_fields_are_nowhere() -> None:
    [option] = read_options(
        [{"id": "x", "env": {"TOKEN": "s3cr3t"}, "command": "s3cr3t", "metadata": "s3cr3t"}]
    )

    assert "s3cr3t" not in repr(option)


@pytest.mark.parametrize(
    ("descriptor", "message"),
    [
        ({"cost": 1}, "neither an id nor a name"),
        ({"id": "x", "cost": -1}, "must be 0 or more"),
        ({"id": "x", "cost": float("nan")}, "finite number"),
        ({"id": "x", "cost": "cheap"}, "finite number"),
        ({"id": "x", "cost": True}, "finite number"),
        ({"id": "x", "cost": 1, "cost_usd": 2}, "differs from"),
        ({"id": "x", "performance": 95}, "0 to 1"),
        ({"id": "x" * 300}, "1 to 200 characters"),
        ({"id": "x\u202ey"}, "invisible"),
        ({"id": 7}, "must be text"),
        ({"id": "x", "tools": "all"}, "list of at most"),
        ({"id": "x", "tools": [7]}, "must be a tool"),
        ({"id": "x", "description": 7}, "must be text"),
    ],
)
def test_a_bad_descriptor_is_refused_by_its_place(descriptor: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message) as refused:
        read_options([{"id": "fine"}, descriptor])

    assert str(refused.value).startswith("available_mcps[1]")
    assert str(refused.value).endswith("Nothing was analysed")


def test_no_candidates_too_many_or_the_same_twice_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match="is empty"):
        read_options([])
    with pytest.raises(InvalidRequestError, match=f"at most {MAX_CANDIDATES}"):
        read_options([{"id": str(i)} for i in range(100_000)])
    with pytest.raises(InvalidRequestError, match="there twice"):
        read_options([{"id": "x"}, {"id": "x"}])


def test_the_context_of_a_tool_list_is_estimated_from_it() -> None:
    tool = {"name": "now", "description": "The time.", "inputSchema": {"type": "object"}}

    [option] = read_options([{"id": "time", "tools": [tool]}])

    assert option.context_tokens.value == pytest.approx(18, abs=3)
    assert "estimated" in option.context_tokens.source


def test_a_tools_name_loses_what_could_disguise_it() -> None:
    [option] = read_options([{"id": "x", "tools": ["safe\u202e\x1b[31m\u200bname"]}])

    assert option.tools[0].name == "safe[31mname"


def test_a_bottomless_schema_is_refused() -> None:
    schema: dict[str, Any] = {}
    for _ in range(100_000):
        schema = {"properties": {"x": schema}}

    with pytest.raises(InvalidRequestError, match="nested too deeply"):
        read_options([{"id": "x", "tools": [{"name": "t", "inputSchema": schema}]}])


def test_too_many_tools_together_are_refused() -> None:
    tools = [f"tool-{i}" for i in range(2000)]

    with pytest.raises(InvalidRequestError, match="more than 20000 tools"):
        read_options([{"id": str(i), "tools": tools} for i in range(11)])
