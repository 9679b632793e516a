"""HTTPS, and certificates that cannot be used."""

import ssl
from pathlib import Path

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

    async with door.open(), httpx.AsyncClient(verify=context, trust_env=False) as client:
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
