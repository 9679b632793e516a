"""Somebody means harm (S12, S15): a server stays small, serves others, and takes text as text."""

import json
import os
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from optimizer.places import socket_path
from server.control import ask
from server.http_protocol import HEAD_TIMEOUT_S
from server.lines import MAX_LINE_BYTES
from server.rest import API
from tests.serving import lonely_environment, serving

JSON = {
    "content-type": "application/json",
    "accept": "application/json, text/event-stream",
}
SELECT = f"{API}/analyze/mcp-selection"
MORE_BYTES = 50 * 2**20
"""By which the server may grow while it is attacked."""

SLOW_CLIENTS = 200

TEXTS = (
    "'; DROP TABLE leases; --",
    '" OR ""="',
    "%",
    "_%",
    "../../../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "{0.__class__}",
    "${jndi:ldap://127.0.0.1/x}",
    '\n{"level": "error", "message": "forged"}',
    "\r\nset-cookie: forged=1",
    "\x1b[31mforged\x1b[0m",
)


@dataclass(frozen=True)
class Served:
    """A server, and what can be seen of it from outside."""

    url: str
    folder: Path

    @property
    def socket(self) -> str:
        return socket_path(lonely_environment(self.folder))

    @property
    def resident_bytes(self) -> int:
        status = ask(self.socket, "status")
        assert status is not None
        pages = Path(f"/proc/{status['pid']}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def post(self, path: str, body: bytes | Iterator[bytes]) -> httpx.Response:
        headers = {
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
        }
        return httpx.post(
            f"{self.url}{path}", content=body, headers=headers, trust_env=False, timeout=300
        )

    def get(self, path: str, **query: str) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", params=query, trust_env=False, timeout=300)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("attacked")
    with serving(folder) as url:
        yield Served(url, folder)


def ten_megabytes() -> Iterator[bytes]:
    for _ in range(160):
        yield b" " * 2**16


def test_what_is_too_large_or_too_deep_is_refused_and_leaves_nothing_behind(
    served: Served,
) -> None:
    plain = b'{"available_mcps": [{"id": "a", "cost": 0.1}]}'
    many_empty = b'{"available_mcps": [' + b"{}," * (10**5 - 1) + b"{}]}"
    many_named = json.dumps({"available_mcps": [{"id": f"mcp{n}"} for n in range(10**5)]}).encode()
    deep = b'{"available_mcps": ' + b"[" * 10**4 + b"]" * 10**4 + b"}"
    deep_objects = b'{"available_mcps":' * 10**4 + b"1" + b"}" * 10**4
    assert served.post(SELECT, plain).status_code == 200
    before = served.resident_bytes

    answers = {
        "10 MB, declared": served.post(SELECT, b" " * 10 * 2**20),
        "10 MB, in chunks": served.post(SELECT, ten_megabytes()),
        "10 MB to MCP": served.post("/mcp", b" " * 10 * 2**20),
        "10^5 MCPs of 1.6 MB": served.post(SELECT, many_named),
        "10^5 MCPs in 300 kB": served.post(SELECT, many_empty),
        "10^4 lists": served.post(SELECT, deep),
        "10^4 objects": served.post(SELECT, deep_objects),
        "10^4 lists to MCP": served.post("/mcp", deep),
    }

    assert {what: answer.status_code for what, answer in answers.items()} == {
        "10 MB, declared": 413,
        "10 MB, in chunks": 413,
        "10 MB to MCP": 413,
        "10^5 MCPs of 1.6 MB": 413,
        "10^5 MCPs in 300 kB": 422,
        "10^4 lists": 422,
        "10^4 objects": 422,
        "10^4 lists to MCP": 400,
    }
    assert max(len(answer.content) for answer in answers.values()) < 2000
    assert served.resident_bytes - before < MORE_BYTES
    assert served.post(SELECT, plain).status_code == 200


def test_an_endless_line_on_the_socket_ends_that_peer_alone(served: Served) -> None:
    before = served.resident_bytes
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.settimeout(300)
        peer.connect(served.socket)
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            peer.sendall(b"x" * 2 * MAX_LINE_BYTES)

    assert served.resident_bytes - before < MORE_BYTES
    assert served.get("/health").status_code == 200


def test_slow_clients_are_hung_up_on_and_the_others_are_served_meanwhile(served: Served) -> None:
    host, port = served.url.removeprefix("http://").split(":")
    before = served.resident_bytes
    with ExitStack() as held:
        slow = []
        for number in range(SLOW_CLIENTS):
            client = held.enter_context(socket.create_connection((host, int(port)), timeout=300))
            client.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\nx-slow: ")
            if number % 2:
                client.sendall(b"1\r\ncontent-length: 100\r\n")
            slow.append(client)

        answers = [served.get("/health").status_code for _ in range(20)]
        grown = served.resident_bytes - before
        ends = [hung_up(client) for client in slow]

    assert answers == [200] * 20
    assert grown < MORE_BYTES
    assert ends == [b""] * SLOW_CLIENTS, f"the head of a request may take {HEAD_TIMEOUT_S} s"


def hung_up(client: socket.socket) -> bytes:
    """What arrives until the server closes; it fails when it never does."""
    received = b""
    while part := client.recv(2**16):
        received += part
    return received


@pytest.mark.parametrize("text", TEXTS)
def test_text_is_text_wherever_it_arrives(text: str, served: Served) -> None:
    def posted(path: str, body: Any) -> httpx.Response:
        return served.post(f"{API}{path}", json.dumps(body).encode())

    written = quote(text, safe="")
    call = {"mcp": text, "tool": text, "outcome": "ok"}
    answers = [
        served.get(f"{API}/decisions/{written}"),
        served.get(f"{API}/health", host=text),
        served.get(f"{API}/forecast", metrics=text),
        served.get(f"/static/{written}"),
        posted("/allocate", {"resources": {"memory": "1 MiB"}, "purpose": text, "ttl_s": 1}),
        posted("/allocate", {"resources": {text: 1}}),
        posted("/usage", {"calls": [call]}),
        posted("/analyze/mcp-selection", {"available_mcps": [{"id": text, "description": text}]}),
        posted("/optimize", {"primary_objective": text}),
    ]

    assert all(answer.status_code in (200, 400, 404, 409, 422) for answer in answers)
    assert all("set-cookie" not in answer.headers for answer in answers)
    assert all("root:" not in answer.text for answer in answers)


def test_a_wildcard_finds_nothing_and_every_table_is_still_there(served: Served) -> None:
    made = served.post(f"{API}/optimize", b"{}").json()["decision_id"]

    found = {
        name: served.get(f"{API}/decisions/{name}").status_code
        for name in (made, made[:-1] + "_", made[:-1] + "%25", "%25")
    }
    listed = served.get(f"{API}/optimization-history", limit="1000").json()

    assert list(found.values()) == [200, 404, 404, 404]
    assert made in [each["decision_id"] for each in listed["optimization_history"]]
    with closing(sqlite3.connect(served.folder / "data" / "sro.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_every_line_of_the_log_is_one_object_that_the_server_wrote(served: Served) -> None:
    forged = '\n{"level": "error", "message": "forged"}'
    served.get(f"{API}/decisions/x", **{"a\nb": forged})
    served.get(f"/nothing{quote(forged)}%1b%5b31m")
    httpx.get(
        f"{served.url}/health",
        headers={"x-request-id": '","forged":"'},
        trust_env=False,
        timeout=300,
    )

    lines = (served.folder / "sro.log").read_text(encoding="utf-8").splitlines()

    records = [json.loads(line) for line in lines]
    assert records
    assert all(record["message"] != "forged" and "forged" not in record for record in records)
    assert all("\x1b" not in line for line in lines)


def test_twenty_attackers_at_once_do_not_stop_the_server(served: Served) -> None:
    body = b'{"available_mcps": ' + b"[" * 10**4 + b"]" * 10**4 + b"}"
    statuses: list[int] = []

    def attack() -> None:
        statuses.append(served.post(SELECT, body).status_code)

    attackers = [threading.Thread(target=attack) for _ in range(20)]
    for attacker in attackers:
        attacker.start()
    answers = [served.get("/health").status_code for _ in range(10)]
    for attacker in attackers:
        attacker.join(timeout=300)

    assert statuses == [422] * 20
    assert answers == [200] * 10
