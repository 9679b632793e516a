"""Who may come in over HTTP: binding, Host, Origin, tokens, roles (S1 to S5 of the bars)."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette

from optimizer.errors import ConfigurationError
from optimizer.settings import Settings
from server.app import create_app
from server.operation import Operation
from server.operations import OPERATIONS, TOOLS
from server.rest import API
from server.security import MCP_PATH
from tests.doors.fakes import FakeOptimizer
from tests.doors.test_one_table import EXAMPLES, over_rest

API_TOKEN = "canary-api-token-8d1f"
READ_ONLY = "canary-read-only-77aa"

GUARDED = Settings(api_token=SecretStr(API_TOKEN), read_only_token=SecretStr(READ_ONLY))

ROUTES = ("/", "/docs", "/openapi.json", "/static/index.css", f"{API}/health", f"{API}/metrics")

TOOLS_LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
MCP_HEADERS = {
    "accept": "application/json, text/event-stream",
    "mcp-protocol-version": "2025-11-25",
}


@asynccontextmanager
async def clients_of(
    settings: Settings, optimizer: FakeOptimizer | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(optimizer or FakeOptimizer(), settings)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://localhost:8000"
        ) as http,
    ):
        yield http


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com"])
def test_another_address_than_loopback_needs_a_token(host: str) -> None:
    with pytest.raises(ConfigurationError, match="API_TOKEN"):
        create_app(FakeOptimizer(), Settings(host=host))

    assert create_app(FakeOptimizer(), Settings(host=host, api_token=SecretStr("x")))


def test_a_read_only_token_alone_does_not_open_another_address() -> None:
    with pytest.raises(ConfigurationError, match="API_TOKEN"):
        create_app(FakeOptimizer(), Settings(host="0.0.0.0", read_only_token=SecretStr("x")))


def test_every_web_page_at_once_cannot_be_let_in() -> None:
    with pytest.raises(ConfigurationError, match="ORIGINS"):
        create_app(FakeOptimizer(), Settings(origins=("*",)))


@pytest.mark.parametrize("path", [*ROUTES, "/health", MCP_PATH])
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.nip.io", ""]
)
async def test_a_foreign_host_is_misdirected_on_every_route(
    path: str, host: str, client: httpx.AsyncClient
) -> None:
    response = await client.get(path, headers={"host": host})

    assert response.status_code == 421
    assert response.json()["code"] == "wrong_host"


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8000", "127.0.0.1:9", "[::1]:8000", "[::1]"]
)
async def test_loopback_names_are_ours_with_any_port(host: str, client: httpx.AsyncClient) -> None:
    response = await client.get("/health", headers={"host": host})

    assert response.status_code == 200


async def test_an_allowed_host_is_ours() -> None:
    async with clients_of(Settings(allowed_hosts=("sro.internal",))) as http:
        response = await http.get("/health", headers={"host": "sro.internal:443"})

    assert response.status_code == 200


@pytest.mark.parametrize("path", [*ROUTES, "/health", MCP_PATH])
@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:3000", "http://[", "file://"]
)
async def test_a_foreign_origin_is_forbidden_on_every_route(
    path: str, origin: str, client: httpx.AsyncClient
) -> None:
    response = await client.get(path, headers={"origin": origin})

    assert response.status_code == 403
    assert "access-control-allow-origin" not in response.headers


async def test_our_own_pages_may_call(client: httpx.AsyncClient) -> None:
    response = await client.get("/health", headers={"origin": "http://localhost:8000"})

    assert response.status_code == 200


async def test_a_named_origin_may_call_and_nothing_is_said_of_credentials() -> None:
    origin = "https://app.example.com"
    settings = Settings(origins=(origin,), api_token=SecretStr(API_TOKEN))
    async with clients_of(settings) as http:
        preflight = await http.options(
            f"{API}/optimize",
            headers={
                "origin": origin,
                "access-control-request-method": "POST",
                "access-control-request-headers": "authorization, content-type",
            },
        )
        response = await http.get(f"{API}/health", headers={"origin": origin, **bearer(API_TOKEN)})
        foreign = await http.options(
            f"{API}/optimize",
            headers={"origin": "http://evil.example", "access-control-request-method": "POST"},
        )

    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == origin
    assert response.headers["access-control-allow-origin"] == origin
    assert "Mcp-Session-Id" in response.headers["access-control-expose-headers"]
    assert "access-control-allow-credentials" not in response.headers
    assert foreign.status_code == 403


@pytest.mark.parametrize("path", [*ROUTES, MCP_PATH, f"{API}/nothing", "/nothing"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer(""),
        bearer("wrong"),
        bearer(API_TOKEN[:-1]),
        bearer(API_TOKEN + "x"),
        {"authorization": f"Basic {API_TOKEN}"},
        {"authorization": API_TOKEN},
        {"authorization": "Bearer \u00ff"},
    ],
)
async def test_every_route_but_the_probe_asks_for_the_token(
    path: str, headers: dict[str, str]
) -> None:
    async with clients_of(GUARDED) as http:
        latin = {name: value.encode("latin-1") for name, value in headers.items()}
        response = await http.get(path, headers=latin)

    assert response.status_code == 401
    assert 'Bearer realm="' in response.headers["www-authenticate"]
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("token", [API_TOKEN, READ_ONLY])
async def test_a_browser_asks_for_the_token_and_sends_it_as_a_password(
    path: str, token: str
) -> None:
    async with clients_of(GUARDED) as http:
        asked = await http.get(path)
        page = await http.get(path, auth=("", token), headers={"sec-fetch-site": "same-origin"})
        wrong = await http.get(path, auth=("", token[:-1]))

    assert asked.headers["www-authenticate"].startswith("Basic realm=")
    assert page.status_code == 200
    assert wrong.status_code == 401


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_password_is_not_taken_from_a_request_that_another_page_caused(site: str) -> None:
    async with clients_of(GUARDED) as http:
        response = await http.get(
            f"{API}/forecast", auth=("", API_TOKEN), headers={"sec-fetch-site": site}
        )

    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")


async def test_a_password_writes_nothing_and_does_not_open_mcp() -> None:
    optimizer = FakeOptimizer()
    async with clients_of(GUARDED, optimizer) as http:
        http.auth = httpx.BasicAuth("", API_TOKEN)
        answers = [
            await http.post(f"{API}/allocate", json={"resources": {"cpu": 1}}),
            await http.delete(f"{API}/allocations/alc-1"),
            await http.post(MCP_PATH, json=TOOLS_LIST, headers=MCP_HEADERS),
            await http.get(MCP_PATH),
        ]

    assert {answer.status_code for answer in answers} == {401}
    assert all(answer.headers["www-authenticate"].startswith("Bearer") for answer in answers)
    assert optimizer.asked == []


@pytest.mark.parametrize("given", ["", "%%%", "Og==", "/w==", "bm8gY29sb24="])
async def test_a_password_that_is_none_is_turned_away(given: str) -> None:
    async with clients_of(GUARDED) as http:
        response = await http.get("/", headers={"authorization": f"Basic {given}"})

    assert response.status_code == 401


async def test_a_token_in_the_address_does_not_count_and_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with clients_of(GUARDED) as http:
        response = await http.get(f"{API}/health?token={API_TOKEN}&access_token={API_TOKEN}")
    ours = [record for record in caplog.records if not record.name.startswith("http")]

    assert response.status_code == 401
    assert ours
    assert all(API_TOKEN not in str(record.__dict__) for record in ours)


async def test_the_probe_tells_anybody_the_status_only() -> None:
    async with clients_of(GUARDED) as http:
        anybody = await http.get("/health")
        holder = await http.get("/health", headers=bearer(API_TOKEN))

    assert anybody.json() == {"status": "healthy", "version": "1.0.0"}
    assert holder.json()["cpu_usage"] == 45.2


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
async def test_a_read_only_token_reads_everything_and_writes_nothing(operation: Operation) -> None:
    optimizer = FakeOptimizer()
    async with clients_of(GUARDED, optimizer) as http:
        http.headers.update(bearer(READ_ONLY))
        response = await over_rest(http, operation, EXAMPLES[operation.name])

    if operation.writes or operation.operates:
        assert response.status_code == 403
        assert response.json()["code"] == "forbidden"
        assert optimizer.asked == []
    else:
        assert response.status_code == 200
        assert optimizer.asked[0][2].role == "reader"


async def test_a_read_only_token_sees_the_same_tools_and_may_not_use_the_writing_ones() -> None:
    optimizer = FakeOptimizer()
    call = {
        "jsonrpc": "2.0",
        "id": 2,
        "method": "tools/call",
        "params": {"name": "allocate", "arguments": {"resources": {"cpu": 1}}},
    }
    async with clients_of(GUARDED, optimizer) as http:
        listed = {
            token: (
                await http.post(MCP_PATH, json=TOOLS_LIST, headers=MCP_HEADERS | bearer(token))
            ).text
            for token in (API_TOKEN, READ_ONLY)
        }
        refused = await http.post(MCP_PATH, json=call, headers=MCP_HEADERS | bearer(READ_ONLY))
        granted = await http.post(MCP_PATH, json=call, headers=MCP_HEADERS | bearer(API_TOKEN))

    assert listed[API_TOKEN] == listed[READ_ONLY]
    assert all(operation.name in listed[READ_ONLY] for operation in TOOLS)
    assert "forbidden" in refused.text
    assert "alloc_1" in granted.text
    assert [principal.name for _, _, principal in optimizer.asked] == ["token:default"]


async def test_without_a_token_loopback_may_come_in(
    client: httpx.AsyncClient, optimizer: FakeOptimizer
) -> None:
    await client.post(f"{API}/allocate", json={"resources": {"cpu": 1}})

    assert optimizer.asked[0][2].name == "local"


async def test_every_answer_has_the_security_headers(
    client: httpx.AsyncClient, app: Starlette
) -> None:
    for path in (*ROUTES, MCP_PATH, "/nothing"):
        headers = (await client.get(path)).headers
        assert headers["content-security-policy"].startswith("default-src 'self'")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-request-id"]
