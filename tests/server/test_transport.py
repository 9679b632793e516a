"""What every HTTP exchange passes: trimmed headers, bounds of the body, ids, one line of log."""

import json
import logging
from collections.abc import AsyncIterator

import anyio
import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.transport import MAX_BODY_BYTES, BoundedBody, Exchange, TrimmedHeaders


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope, receive)
    body = await request.body()
    answer = JSONResponse({"length": len(body), "x": request.headers.get("x")})
    await answer(scope, receive, send)


async def crash(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError("the secret word is xyzzy")


def client_of(app: ASGIApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost")


async def test_blanks_around_a_header_value_are_stripped() -> None:
    heard: list[Scope] = []

    async def hear(scope: Scope, receive: Receive, send: Send) -> None:
        heard.append(scope)

    async def nothing(message: Message) -> None: ...

    async def no_message() -> Message:
        return {"type": "http.disconnect"}

    scope = {"type": "http", "headers": [(b"x", b" \t a b \t")]}
    await TrimmedHeaders(hear)(scope, no_message, nothing)

    assert heard[0]["headers"] == [(b"x", b"a b")]


async def test_a_body_at_the_bound_passes_whole() -> None:
    async with client_of(BoundedBody(echo)) as client:
        response = await client.post("/", content=b"x" * MAX_BODY_BYTES)

    assert response.json()["length"] == MAX_BODY_BYTES


async def test_a_declared_body_that_is_too_large_is_refused_unread() -> None:
    async with client_of(BoundedBody(crash)) as client:
        response = await client.post("/", content=b"x" * (MAX_BODY_BYTES + 1))

    assert response.status_code == 413
    assert response.json()["code"] == "body_too_large"


async def test_an_undeclared_body_is_refused_once_it_is_too_large() -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 100:
            sent += 1
            yield b"x" * 2**16

    async with client_of(BoundedBody(crash)) as client:
        response = await client.post("/", content=endless())

    assert response.status_code == 413


async def test_a_body_that_does_not_come_is_given_up() -> None:
    answers: list[Message] = []

    async def never() -> Message:
        await anyio.sleep_forever()
        raise AssertionError

    async def send(message: Message) -> None:
        answers.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    with anyio.fail_after(60):
        await BoundedBody(crash, timeout_s=0.01)(scope, never, send)

    assert answers[0]["status"] == 408


@pytest.mark.parametrize(
    ("given", "kept"),
    [("abc-1.2_X", True), ("a b", False), ("x" * 65, False), ("", False), ("a\u00e9", False)],
)
async def test_a_callers_request_id_is_kept_when_it_is_one(given: str, *, kept: bool) -> None:
    async with client_of(Exchange(echo)) as client:
        response = await client.get("/", headers={"x-request-id": given.encode("latin-1")})

    assert (response.headers["x-request-id"] == given) is kept
    assert response.headers["x-request-id"]


async def test_what_nobody_foresaw_is_a_problem_without_its_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with client_of(Exchange(crash)) as client:
        response = await client.get("/")

    assert response.status_code == 500
    assert response.json()["code"] == "internal_error"
    assert "xyzzy" not in response.text
    assert "xyzzy" in caplog.text


async def test_a_request_logs_one_line_without_its_query(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="sequential_resource_optimization")
    async with client_of(Exchange(echo)) as client:
        await client.get("/path?token=secret-in-the-query")

    records = [r for r in caplog.records if r.name == "sequential_resource_optimization.http"]
    assert [record.facts["path"] for record in records] == ["/path"]
    assert records[0].facts["status"] == 200
    assert "secret-in-the-query" not in json.dumps([r.facts for r in records])
