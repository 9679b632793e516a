"""The application over a fake optimizer, and clients of it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from optimizer.settings import Settings
from server.app import create_app
from server.tokens import TokenFile
from tests.doors.fakes import FakeOptimizer

BASE_URL = "http://localhost:8000"


@pytest.fixture
def optimizer() -> FakeOptimizer:
    return FakeOptimizer()


@pytest.fixture
async def app(optimizer: FakeOptimizer) -> AsyncIterator[Starlette]:
    application = create_app(optimizer, Settings())
    async with application.router.lifespan_context(application):
        yield application


@pytest.fixture
async def client(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as http:
        yield http


@pytest.fixture
async def operator(optimizer: FakeOptimizer, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client with an operator's token."""
    settings = Settings(tokens_file=tmp_path / "tokens.json")
    secret = TokenFile(settings.tokens_path).add("ops", "operator", now=datetime.now(UTC))
    application = create_app(optimizer, settings)
    headers = {"Authorization": f"Bearer {secret}"}
    async with (
        application.router.lifespan_context(application),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app=application), base_url=BASE_URL, headers=headers
        ) as http,
    ):
        yield http
