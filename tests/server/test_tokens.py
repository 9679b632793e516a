import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from optimizer.errors import ConfigurationError, InvalidRequestError, NotFoundError
from server.tokens import TokenFile

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path / "private" / "tokens.json")


def test_a_token_is_found_by_its_secret_and_carries_its_role(file: TokenFile) -> None:
    secret = file.add("ci", "reader", now=NOON, requests_per_s=5)

    found = file.find(secret)

    assert found is not None
    assert (found.principal.name, found.principal.role) == ("token:ci", "reader")
    assert found.requests_per_s == 5


def test_neither_the_secret_nor_a_part_of_it_is_kept(file: TokenFile, tmp_path: Path) -> None:
    secret = file.add("ci", "user", now=NOON)
    path = tmp_path / "private" / "tokens.json"

    assert secret.removeprefix("sro_")[:12] not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "change", [lambda s: s[:-1], lambda s: s + "x", str.swapcase, lambda s: ""]
)
def test_an_altered_secret_finds_nothing(file: TokenFile, change: "type[str]") -> None:
    secret = file.add("ci", "user", now=NOON)

    assert file.find(change(secret)) is None


def test_a_revoked_token_is_refused_by_a_process_that_had_read_it(
    file: TokenFile, tmp_path: Path
) -> None:
    secret = file.add("ci", "user", now=NOON)
    elsewhere = TokenFile(tmp_path / "private" / "tokens.json")
    assert elsewhere.find(secret) is not None

    file.revoke("ci")

    assert elsewhere.find(secret) is None


def test_names_are_unique_and_plain(file: TokenFile) -> None:
    file.add("ci", "user", now=NOON)

    with pytest.raises(InvalidRequestError, match="there is a token 'ci' already"):
        file.add("ci", "user", now=NOON)
    with pytest.raises(InvalidRequestError, match="token name"):
        file.add("../ci", "user", now=NOON)
    with pytest.raises(NotFoundError, match="known: ci"):
        file.revoke("cd")


def test_a_broken_file_lets_nobody_in_and_says_where_it_is(file: TokenFile, tmp_path: Path) -> None:
    secret = file.add("ci", "user", now=NOON)
    (tmp_path / "private" / "tokens.json").write_text("{")

    with pytest.raises(ConfigurationError, match=r"tokens\.json: the token file cannot be read"):
        file.find(secret)
