"""Servers at a URL, met from the cage: only where the operator allows, and bounded."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from optimizer.machine.processes import resident_below
from optimizer.mcp_client.cage import Job, meet
from optimizer.mcp_client.caged.bounds import Bounds

CANARY = "canary-5f1b22c9"
PATIENT = Bounds(connect_s=60, discover_s=60, list_s=60, probe_s=60)
LISTED = {"tools": [{"name": "look", "inputSchema": {"type": "object"}}]}
ANSWERS: Mapping[str, Any] = {
    "initialize": {"protocolVersion": "2025-06-18", "serverInfo": {"name": "web"}},
    "tools/list": LISTED,
    "ping": {},
}


class _Handler(BaseHTTPRequestHandler):
    """Answers by the first part of the path: how it behaves."""

    protocol_version = "HTTP/1.1"
    seen: list[Mapping[str, str]]

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append(dict(self.headers))
        mode = self.path.split("/")[1].partition("?")[0]
        method = message["method"]
        if "id" not in message:
            self.answer(202, b"")
        elif mode == "redirects":
            self.answer(307, b"", Location="http://127.0.0.1:9/mcp")
        elif mode == "forbids":
            self.answer(401, b"no")
        elif mode == "page":
            self.answer(404, b"<html>not here</html>", **{"Content-Type": "text/html"})
        elif mode == "huge":
            self.answer(200, b"x" * 9_000_000)
        elif mode == "packed":
            self.answer(200, b"x", **{"Content-Encoding": "gzip"})
        elif method not in ANSWERS:
            self.message(mode, {"id": message["id"], "error": {"code": -32601, "message": "no"}})
        else:
            self.message(mode, {"id": message["id"], "result": ANSWERS[method]})

    def message(self, mode: str, content: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **content}).encode()
        if mode == "streams":
            note = b'event: message\ndata: {"jsonrpc":"2.0","method":"notifications/x"}\n\n'
            body = note + b"event: message\ndata: " + body + b"\n\n"
            self.answer(200, body, **{"Content-Type": "text/event-stream"})
        else:
            self.answer(200, body, **{"Mcp-Session-Id": "one"})

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json"} | headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[tuple[str, list[Mapping[str, str]]]]:
    handler = type("Handler", (_Handler,), {"seen": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", handler.seen
        server.shutdown()


async def reported(url: str, **further: Any) -> Mapping[str, Any]:
    job = Job(url=url, **{"allow_local": True, **further})
    met = await meet(
        job, below=resident_below, make_cell=lambda _: None, bounds=PATIENT, total_s=300
    )
    assert met.report is not None, met
    return met.report


@pytest.mark.parametrize("mode", ["answers", "streams"])
async def test_a_server_at_a_url_is_met_with_its_headers(mode: str) -> None:
    with serving() as (base, seen):
        report = await reported(f"{base}/{mode}", headers={"X-Key": CANARY})

    assert report["failure"] is None
    assert [tool["name"] for tool in report["tools"]] == ["look"]
    assert report["calls"][0]["what"] == "ping"
    assert {headers["X-Key"] for headers in seen} == {CANARY}
    if mode == "answers":
        assert seen[-1]["Mcp-Session-Id"] == "one"
        assert seen[-1]["MCP-Protocol-Version"] == "2025-06-18"


@pytest.mark.parametrize(
    ("mode", "problem"),
    [
        ("redirects", "not_mcp"),
        ("forbids", "forbidden"),
        ("page", "not_mcp"),
        ("huge", "too_much"),
        ("packed", "protocol"),
    ],
)
async def test_what_is_no_server_is_named(mode: str, problem: str) -> None:
    with serving() as (base, _):
        failure = (await reported(f"{base}/{mode}?key={CANARY}"))["failure"]

    assert failure["problem"] == problem
    assert CANARY not in failure["detail"]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/mcp", "https://127.0.0.1:9/", "https://10.0.0.1/", "ftp://x/", "x"]
)
async def test_without_leave_only_public_addresses_over_https_are_reached(url: str) -> None:
    failure = (await reported(url, allow_local=False))["failure"]

    assert failure["problem"] == "address"


async def test_a_port_where_nothing_listens_is_absent() -> None:
    assert (await reported("http://127.0.0.1:9/mcp"))["failure"]["problem"] == "absent"
