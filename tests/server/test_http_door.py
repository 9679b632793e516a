"""The door on a port: HTTPS, certificates that cannot be used, dated answers, and quiet."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import trustme

from optimizer.errors import ConfigurationError
from optimizer.settings import Settings, load_settings
from server.http_door import HttpDoor
from tests.doors.fakes import FakeOptimizer


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def door() -> HttpDoor:
    return HttpDoor(FakeOptimizer(), Settings(port=0))


@pytest.fixture
def settings(authority: trustme.CA, tmp_path: Path) -> Settings:
    pair = authority.issue_cert("127.0.0.1", "localhost")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    pair.cert_chain_pems[0].write_to_path(certificate)
    pair.private_key_pem.write_to_path(key)
    return Settings(port=0, tls_certfile=certificate, tls_keyfile=key)


async def test_a_certificate_with_its_key_serves_https(
    settings: Settings, authority: trustme.CA
) -> None:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    door = HttpDoor(FakeOptimizer(), settings)

    async with (
        door.open(),
        httpx.AsyncClient(verify=context, trust_env=False, timeout=300) as client,
    ):
        answer = await client.get(f"{door.url}/health")

    assert answer.status_code == 200
    assert door.url.startswith("https://127.0.0.1:")
    assert door.places.count("https://") == 4


@pytest.mark.parametrize("variable", ["tls_certfile", "tls_keyfile"])
def test_a_file_that_cannot_be_read_is_named(settings: Settings, variable: str) -> None:
    absent = settings.model_copy(update={variable: Path("/nowhere.pem")})

    with pytest.raises(ConfigurationError, match=f"{variable.upper()}: /nowhere.pem cannot"):
        HttpDoor(FakeOptimizer(), absent)


def test_files_that_are_no_pair_are_refused(settings: Settings) -> None:
    swapped = settings.model_copy(update={"tls_keyfile": settings.tls_certfile})

    with pytest.raises(ConfigurationError, match="no certificate with its key"):
        HttpDoor(FakeOptimizer(), swapped)


def test_one_without_the_other_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="TLS_KEYFILE is not; set both, or none"):
        load_settings(environment={"TLS_CERTFILE": "/a.pem", "SRO_CONFIG": "/dev/null"})


async def test_an_answer_has_its_date(door: HttpDoor) -> None:
    async with door.open(), httpx.AsyncClient(trust_env=False, timeout=300) as client:
        answers = [await client.get(f"{door.url}/health") for _ in range(2)]

    for answer in answers:
        age = datetime.now(UTC) - parsedate_to_datetime(answer.headers["date"])
        assert abs(age) < timedelta(minutes=1)
        assert answer.headers.get_list("date") == [answer.headers["date"]]


async def test_a_quiet_door_sets_no_timer(door: HttpDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    set_timer, timers = loop.call_at, list[asyncio.TimerHandle]()

    def call_at(when: float, *arguments: Any, **named: Any) -> asyncio.TimerHandle:
        timers.append(set_timer(when, *arguments, **named))
        return timers[-1]

    monkeypatch.setattr(loop, "call_at", call_at)
    async with door.open():
        await anyio.wait_all_tasks_blocked()
        assert [timer for timer in timers if not timer.cancelled()] == []
