from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from server.cli.commands import sro
from server.tokens import TokenFile


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "tokens.json"
    monkeypatch.setenv("TOKENS_FILE", str(path))
    return path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(sro, ["token", *arguments])


def test_add_shows_the_secret_once_and_list_never(file: Path) -> None:
    added = run("add", "ci", "--role", "reader", "--rate", "2")
    secret = added.stdout.strip()
    listed = run("list")

    found = TokenFile(file).find(secret)
    assert found is not None
    assert (found.role, found.requests_per_s) == ("reader", 2)
    assert "ci  reader  2/s" in listed.stdout
    assert secret not in listed.output


def test_a_name_that_is_taken_and_one_that_is_unknown_fail(file: Path) -> None:
    run("add", "ci")

    assert run("add", "ci").exit_code == 1
    assert run("revoke", "cd").exit_code == 1
    assert run("revoke", "ci").exit_code == 0
    assert TokenFile(file).tokens() == ()


def test_a_broken_file_is_told_and_not_overwritten(file: Path) -> None:
    file.write_text("{")

    for arguments in (("list",), ("add", "ci"), ("revoke", "ci")):
        assert run(*arguments).exit_code == 1
    assert file.read_text() == "{"
