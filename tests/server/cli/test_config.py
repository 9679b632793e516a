import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from server.cli.commands import sro


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SRO_CONFIG", str(tmp_path / "sro.toml"))
    (tmp_path / "sro.toml").write_text("")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(sro, ["config", *arguments])


def test_check_tells_every_problem_and_ends_with_1(tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text("prot = 1\nport = -1\nlog_level = 'loud'\n")

    done = run("check", str(file))

    assert done.exit_code == 1
    assert all(word in done.stderr for word in ("did you mean port", "-1", "loud"))


def test_check_asks_the_rooms_and_the_doors_too(tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text("host = '0.0.0.0'\n[quotas.a]\nnowhere = 1\n[probes]\nx = 'file:///x'\n")

    done = run("check", str(file))

    assert done.exit_code == 1
    assert all(word in done.stderr for word in ("HOST", "no such pool", "probes.x"))


def test_a_good_file_is_said_to_be_good(tmp_path: Path) -> None:
    assert (done := run("check")).exit_code == 0, done.output


def test_show_masks_secrets_and_names_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "sro.toml"
    file.write_text(
        "api_token = 'canary-1'\ndatabase_url = 'postgresql://me:canary-2@db/x'\n"
        "[candidates.servers.a]\ncommand = 'x'\nenv = {KEY = 'canary-3'}\n"
    )
    monkeypatch.setenv("OPENROUTER_API_KEY", "canary-4")

    shown, as_json = run("show"), run("show", "--json")

    rows = json.loads(as_json.stdout)
    assert "canary" not in shown.output + as_json.output
    assert rows["api_token"] == {"value": "***", "source": str(file)}
    assert rows["openrouter_api_key"]["source"] == "environment"
    assert rows["port"] == {"value": 8000, "source": "default"}
    assert f'api_token = "***"  # {file}' in shown.stdout
