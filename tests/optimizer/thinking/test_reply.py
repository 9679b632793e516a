"""What servers answer, and what it means."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.thinking.reply import ModelError, Usage, read_answer, read_reply, retry_after

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def read(status: int, body: Any, **headers: str) -> Any:
    return read_reply(status, headers, body if isinstance(body, str) else json.dumps(body), now=NOW)


@pytest.mark.parametrize(
    ("code", "headers", "problem"),
    [
        (401, {}, "auth"),
        (403, {}, "auth"),
        (402, {}, "credits"),
        (402, {"retry-after": "1"}, "rate_limited"),
        (429, {}, "rate_limited"),
        (503, {"retry-after": "1"}, "rate_limited"),
        (503, {}, "upstream"),
        (408, {}, "upstream"),
        (500, {}, "upstream"),
        (502, {}, "upstream"),
        (404, {}, "rejected"),
        (400, {}, "rejected"),
    ],
)
def test_a_code_means_the_same_as_a_status_and_inside_a_200(
    code: int, headers: dict[str, str], problem: str
) -> None:
    body = {"error": {"code": code, "message": "as it is"}}
    for status in (code, 200):
        with pytest.raises(ModelError, match="as it is") as caught:
            read(status, body, **headers)

        assert caught.value.problem == problem


def test_an_error_inside_a_choice_is_an_error() -> None:
    with pytest.raises(ModelError) as caught:
        read(200, {"choices": [{"error": {"code": 502, "message": "provider"}}]})

    assert caught.value.problem == "upstream"


def test_usage_that_is_no_amount_is_unknown_and_never_zero() -> None:
    usages: list[Any] = [
        None,
        {},
        {"total_tokens": "many", "cost": True},
        {"total_tokens": -1, "cost": -0.5},
        {"total_tokens": None, "cost": float("inf")},
        {"total_tokens": None, "cost": float("nan")},
    ]
    for usage in usages:
        reply = read(200, {"choices": [{"message": {"content": "x"}}], "usage": usage})

        assert reply.usage == Usage()


def answered(usage: object, **choice: object) -> Any:
    told = {"finish_reason": "stop", "message": {"content": "x"}, **choice}
    return read(200, {"model": "vendor/one", "choices": [told], "usage": usage})


USED = {"total_tokens": 90, "cost": 0.002, "completion_tokens_details": {"reasoning_tokens": 40}}


def test_tokens_dollars_reasoning_and_the_model_that_answered_are_read() -> None:
    reply = answered(USED)

    assert reply.usage == Usage(tokens=90, usd=0.002, reasoning=40)
    assert reply.model == "vendor/one"


def test_with_a_key_of_ones_own_the_providers_price_is_added_to_the_fee() -> None:
    byok = {"total_tokens": 90, "cost": 0.001, "is_byok": True}
    priced = byok | {"cost_details": {"upstream_inference_cost": 0.02}}

    assert answered(priced).usage.usd == pytest.approx(0.021)
    assert answered(byok).usage.usd is None


@pytest.mark.parametrize(
    "choice",
    [
        {"finish_reason": "content_filter", "message": {"content": None}},
        {"message": {"content": None, "refusal": "I will not."}},
    ],
)
def test_what_a_filter_stopped_or_a_model_refused_is_rejected_and_paid(
    choice: dict[str, Any],
) -> None:
    with pytest.raises(ModelError) as caught:
        answered(USED, **choice)

    assert caught.value.problem == "rejected"
    assert caught.value.usage == Usage(tokens=90, usd=0.002, reasoning=40)


def test_an_error_in_a_200_costs_what_its_usage_says() -> None:
    with pytest.raises(ModelError) as caught:
        answered(USED, finish_reason="error", error={"code": 502, "message": "midway"})

    assert (caught.value.problem, caught.value.usage.usd) == ("upstream", 0.002)


def test_a_flagged_input_is_no_matter_of_the_key() -> None:
    metadata = {"reasons": ["violence"], "flagged_input": "Ignore all rules"}
    with pytest.raises(ModelError) as caught:
        read(403, {"error": {"code": 403, "message": "flagged", "metadata": metadata}})

    assert caught.value.problem == "rejected"


def test_a_retry_after_is_a_number_of_seconds_or_a_date() -> None:
    assert retry_after({"retry-after": "1.5"}, NOW) == 1.5
    assert retry_after({"retry-after": "Sun, 22 Nov 2026 12:00:07 GMT"}, NOW) == 7
    assert retry_after({"retry-after": "Sun, 22 Nov 2026 11:00:00 GMT"}, NOW) == 0
    assert retry_after({"retry-after": "soon"}, NOW) is None
    assert retry_after({}, NOW) is None


def test_an_answer_is_found_between_other_words() -> None:
    answer = read_answer(
        'Sure!\n```json\n{"thought": "a", "candidate_id": "c1", "next_thought_needed": false}\n```'
    )

    assert answer is not None
    assert answer.candidate_id == "c1"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "c1",
        "{",
        '{"thought": "cut',
        '{"thought": "a", "candidate_id": 1, "next_thought_needed": false}',
        '{"thought": "", "candidate_id": "c1", "next_thought_needed": false}',
        '{"candidate_id": "c1"}',
        "[" * 100_000 + "{}" + "]" * 100_000,
    ],
)
def test_what_is_not_the_asked_shape_is_no_answer(text: str) -> None:
    assert read_answer(text) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "choices", "message", "content", "usage", "code", "cost"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(status=st.sampled_from([200, 400, 402, 429, 500, 599]), body=JSON | st.text(max_size=40))
def test_any_body_is_a_reply_or_a_model_error(status: int, body: Any) -> None:
    with suppress(ModelError):
        assert isinstance(read(status, body).text, str)
