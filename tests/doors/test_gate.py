"""Tokens of the file, and rates, over HTTP (S4, S5 and S13 of the bars)."""

from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from optimizer.errors import ConfigurationError
from optimizer.settings import Settings
from server.app import create_app
from server.rest import API
from server.security import MCP_PATH
from server.tokens import TokenFile
from tests.doors.fakes import FakeOptimizer
from tests.doors.test_security import MCP_HEADERS, TOOLS_LIST, bearer, clients_of

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

RARELY = 1e-6
"""Requests a second: the burst is one request, and the next is days away."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tokens_file=tmp_path / "tokens.json")


@pytest.fixture
def tokens(settings: Settings) -> TokenFile:
    return TokenFile(settings.tokens_path)


async def ask(http: httpx.AsyncClient, token: str) -> httpx.Response:
    return await http.post(f"{API}/allocate", json={"resources": {"cpu": 1}}, headers=bearer(token))


async def test_a_token_of_the_file_is_a_principal_of_its_own(
    settings: Settings, tokens: TokenFile
) -> None:
    writer = tokens.add("ci", "user", now=NOON)
    reader = tokens.add("board", "reader", now=NOON)
    optimizer = FakeOptimizer()
    async with clients_of(settings, optimizer) as http:
        granted = await ask(http, writer)
        refused = await ask(http, reader)
        unknown = await ask(http, writer[:-1])
        nobody = await http.get(f"{API}/health")

    assert granted.status_code == 200
    assert [principal.name for _, _, principal in optimizer.asked] == ["token:ci"]
    assert (refused.status_code, unknown.status_code, nobody.status_code) == (403, 401, 401)


async def test_a_token_that_is_added_or_revoked_counts_from_the_next_request(
    settings: Settings, tokens: TokenFile
) -> None:
    async with clients_of(settings) as http:
        open_to_all = await http.get(f"{API}/health")
        secret = tokens.add("first", "user", now=NOON)
        guarded = await http.get(f"{API}/health")
        holder = await http.get(f"{API}/health", headers=bearer(secret))
        described = (await http.get("/openapi.json", headers=bearer(secret))).json()
        tokens.add("second", "user", now=NOON)
        tokens.revoke("first")
        revoked = await http.get(f"{API}/health", headers=bearer(secret))

    statuses = [answer.status_code for answer in (open_to_all, guarded, holder, revoked)]
    assert statuses == [200, 401, 200, 401]
    assert described["security"] == [{"token": []}]


async def test_a_broken_file_lets_nobody_in_and_the_probe_answers(settings: Settings) -> None:
    settings = settings.model_copy(update={"api_token": SecretStr("right")})
    settings.tokens_path.write_text("{")
    async with clients_of(settings) as http:
        holder = await http.get(f"{API}/health", headers=bearer("right"))
        probe = await http.get("/health")

    assert holder.status_code == 503
    assert holder.json()["code"] == "bad_configuration"
    assert str(settings.tokens_path) not in holder.text
    assert set(probe.json()) == {"status", "version"}


def test_a_token_of_the_file_opens_another_address(settings: Settings, tokens: TokenFile) -> None:
    everywhere = settings.model_copy(update={"host": "0.0.0.0"})
    with pytest.raises(ConfigurationError, match="sro token add"):
        create_app(FakeOptimizer(), everywhere)

    tokens.add("ci", "user", now=NOON)

    assert create_app(FakeOptimizer(), everywhere)


async def test_who_asks_too_often_is_told_when_and_the_others_are_served(
    settings: Settings, tokens: TokenFile
) -> None:
    hasty = tokens.add("hasty", "user", now=NOON, requests_per_s=RARELY)
    calm = tokens.add("calm", "user", now=NOON)
    async with clients_of(settings) as http:
        answers = [await http.get(f"{API}/health", headers=bearer(hasty)) for _ in range(50)]
        others = [await http.get(f"{API}/health", headers=bearer(calm)) for _ in range(50)]
        probe = await http.get("/health", headers=bearer(hasty))

    assert [answer.status_code for answer in answers] == [200] + [429] * 49
    assert answers[-1].json()["code"] == "rate_limited"
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert {answer.status_code for answer in others} == {200}
    assert probe.status_code == 200


async def test_the_limit_of_all_holds_for_each_and_over_mcp_too(settings: Settings) -> None:
    limited = settings.model_copy(
        update={
            "rate_limit": RARELY,
            "api_token": SecretStr("writes"),
            "read_only_token": SecretStr("reads"),
        }
    )
    async with clients_of(limited) as http:
        statuses = [
            (
                await http.post(MCP_PATH, json=TOOLS_LIST, headers=MCP_HEADERS | bearer(token))
            ).status_code
            for token in ("writes", "writes", "reads", "reads")
        ]

    assert statuses == [200, 429, 200, 429]
