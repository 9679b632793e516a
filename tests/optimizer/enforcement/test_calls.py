"""Calls as they are read from the lines between a host and a server."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.enforcement.calls import MAX_LINE_BYTES, Call, Conversation, refusal


def line(**message: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n"


def asked(number: Any = 1, tool: str = "search") -> bytes:
    return line(id=number, method="tools/call", params={"name": tool, "arguments": {}})


def text(said: str, **more: Any) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": said}], **more}


def outcome_of(answer: bytes) -> Call:
    conversation = Conversation()
    assert conversation.passed("to_server", asked(), 1.0) == []
    [call] = conversation.passed("to_host", answer, 1.25)
    return call


def test_a_call_is_timed_and_its_answer_counted() -> None:
    call = outcome_of(line(id=1, result=text("one two three")))

    assert (call.tool, call.outcome, call.latency_ms) == ("search", "ok", 250.0)
    assert call.tokens == pytest.approx(3, abs=0.5)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"result": text("it broke", isError=True)}, "tool_error"),
        ({"result": text("MCP error -32602: Invalid arguments", isError=True)}, "caller_fault"),
        ({"result": text("Unknown tool: serach", isError=True)}, "caller_fault"),
        ({"error": {"code": -32603, "message": "internal"}}, "protocol_error"),
        ({"error": {"code": -32602, "message": "bad"}}, "caller_fault"),
        ({"result": "no object"}, "protocol_error"),
    ],
)
def test_how_a_call_ended(answer: dict[str, Any], outcome: str) -> None:
    assert outcome_of(line(id=1, **answer)).outcome == outcome


def test_a_result_that_asks_for_more_is_no_end() -> None:
    conversation = Conversation()
    conversation.passed("to_server", asked(), 0)

    assert (
        conversation.passed("to_host", line(id=1, result={"resultType": "input_required"}), 1) == []
    )
    assert conversation.broken() == []


def test_what_waits_when_the_server_ends_is_a_broken_transport() -> None:
    conversation = Conversation()
    conversation.passed("to_server", asked(1) + asked("1", "other"), 0)

    assert conversation.broken() == [
        Call("search", "transport", None, None),
        Call("other", "transport", None, None),
    ]


@pytest.mark.parametrize(
    ("reason", "outcomes"),
    [("Request timed out", ["timeout"]), ("the user pressed stop", []), (None, [])],
)
def test_only_a_time_that_ran_out_counts_against_a_server(
    reason: str | None, outcomes: list[str]
) -> None:
    conversation = Conversation()
    conversation.passed("to_server", asked(), 0)
    cancelled = line(method="notifications/cancelled", params={"requestId": 1, "reason": reason})

    assert [call.outcome for call in conversation.passed("to_server", cancelled, 60)] == outcomes
    assert conversation.passed("to_host", line(id=1, result=text("late")), 61) == []


def test_a_request_of_the_server_with_the_same_id_is_no_answer() -> None:
    conversation = Conversation()
    conversation.passed("to_server", asked(1), 0)

    assert conversation.passed("to_host", line(id=1, method="sampling/createMessage"), 1) == []
    assert len(conversation.passed("to_host", line(id=1, result=text("done")), 2)) == 1


def test_an_answer_too_long_to_read_is_found_by_its_id() -> None:
    call = outcome_of(line(id=1, result=text("x" * (MAX_LINE_BYTES + 1))))

    assert call.outcome == "ok"
    assert call.tokens is not None
    assert call.tokens > MAX_LINE_BYTES / 5


@given(st.lists(st.integers(1, 40), max_size=30), st.lists(st.binary(max_size=30), max_size=5))
def test_any_cut_of_the_stream_reads_the_same(sizes: list[int], noise: list[bytes]) -> None:
    stream = b"".join(each.replace(b"\n", b"") + b"\n" for each in noise)
    stream += b"".join(line(id=number, result=text(f"answer {number}")) for number in range(5))
    whole, cut = Conversation(), Conversation()
    for conversation in (whole, cut):
        conversation.passed("to_server", b"".join(asked(n, f"t{n}") for n in range(5)), 0)
    read = whole.passed("to_host", stream, 1)
    read_cut = []
    for size in sizes:
        read_cut += cut.passed("to_host", stream[:size], 1)
        stream = stream[size:]
    read_cut += cut.passed("to_host", stream, 1)

    assert read == read_cut
    assert [call.tool for call in read] == [f"t{n}" for n in range(5)]


def test_an_answer_that_was_noted_before_its_question_has_no_latency() -> None:
    conversation = Conversation()

    assert conversation.passed("to_host", line(id=1, result=text("done")), 1.0) == []
    [call] = conversation.passed("to_server", asked(1), 1.1)

    assert (call.tool, call.outcome, call.latency_ms) == ("search", "ok", None)
    assert conversation.passed("to_server", asked(1), 2) == []


def listing(*names: str, number: int, cursor: str | None = None, more: str | None = None) -> Any:
    question = line(id=number, method="tools/list", params={"cursor": cursor} if cursor else {})
    result: dict[str, Any] = {"tools": [{"name": name} for name in names]}
    if more is not None:
        result["nextCursor"] = more
    return question, line(id=number, result=result)


def test_the_first_whole_list_of_tools_is_kept() -> None:
    conversation = Conversation()
    for number, (names, cursor, more) in enumerate(
        [(("a",), None, "2"), (("b",), "2", None), (("c",), None, None)]
    ):
        question, answer = listing(*names, number=number, cursor=cursor, more=more)
        conversation.passed("to_server", question, 0)
        assert conversation.tools in (None, [{"name": "a"}, {"name": "b"}])
        assert conversation.passed("to_host", answer, 1) == []

    assert conversation.tools == [{"name": "a"}, {"name": "b"}]


def test_a_refusal_answers_requests_and_nothing_else() -> None:
    told = {"code": -32010, "message": "no room", "data": {"fits_in_s": 4}}
    answer = refusal(line(id="x", method="initialize"), code=-32010, message="no room", data=told)

    assert answer is not None
    assert json.loads(answer)["id"] == "x"
    assert refusal(line(method="notifications/initialized"), code=1, message="", data={}) is None
    assert refusal(b"no json", code=1, message="", data={}) is None
