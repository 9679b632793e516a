"""From a host's configuration to a smaller one, with a server that really runs."""

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from optimizer.errors import ConfigurationError
from optimizer.settings import load_settings
from server.cli.commands import sro
from server.cli.copies import limit_copies

HOSTILE = str(Path(__file__).parents[2] / "optimizer" / "mcp_client" / "hostile_server.py")
CANARY = "canary-5f1b22c9"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An mcp.json with a secret in it; our own store, and nobody at our port."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("PORT", "9")
    monkeypatch.setenv("SRO_CONFIG", str(tmp_path / "sro.toml"))
    (tmp_path / "sro.toml").touch()
    monkeypatch.setenv("LOG_FILE", str(tmp_path / "log"))
    monkeypatch.chdir(tmp_path)
    env = {"SECRET": CANARY}
    servers = {
        "calendar": {"command": sys.executable, "args": [HOSTILE, "tells"], "env": env},
        "broken": {"command": sys.executable, "args": [HOSTILE, "exits"], "env": env},
        "remote": {"url": f"https://127.0.0.1/mcp?key={CANARY}", "headers": {"X-Key": CANARY}},
    }
    path = tmp_path / "mcp.json"
    path.write_text(json.dumps({"mcpServers": servers}), encoding="utf-8")
    return path


def run(*words: object, **options: Any) -> Result:
    return CliRunner().invoke(sro, [str(word) for word in words], **options)


def test_a_profiled_server_is_chosen_and_written_alone(config: Path) -> None:
    profiled = run("profile", "--config", config, "calendar", "--probe", "calendar.look={}")
    written = run(
        "select", "--task", "look into my calendar", "--config", config, "--emit-config", "--json"
    )

    assert profiled.exit_code == 0, profiled.output
    assert f"calendar: {sys.executable} {HOSTILE} tells  (env: SECRET)" in profiled.stderr
    answer = json.loads(written.stdout)
    assert answer["recommendations"]["primary_recommendation"]["mcp_id"] == "calendar"
    emitted = answer["emitted"]
    assert emitted["chosen"] == ["calendar"]
    assert emitted["left_out"] == ["broken", "remote"]
    assert emitted["context_tokens"]["before"] == emitted["context_tokens"]["after"] > 0
    assert emitted["context_tokens"]["not_known"] == ["broken", "remote"]
    assert emitted["memory_bytes_per_session"]["after"] > 2**20
    assert emitted["first_use_ms"]["calendar"] > 0
    file = config.with_name("mcp.selected.json")
    given = json.loads(config.read_text(encoding="utf-8"))["mcpServers"]
    assert json.loads(file.read_text(encoding="utf-8")) == {
        "mcpServers": {"calendar": given["calendar"]}
    }
    assert file.stat().st_mode & 0o077 == 0
    again = run("select", "--task", "look", "--config", config, "--emit-config")
    assert "is there already" in again.stderr


def test_a_wrapped_server_is_started_by_sro_run_and_counted(config: Path) -> None:
    answer = run(
        *("select", "--task", "look into my calendar", "--config", config),
        *("--emit-config", "out.json", "--wrap", "--copies", 2, "--json"),
    )

    entry = json.loads(config.with_name("out.json").read_text())["mcpServers"]["calendar"]
    assert entry["args"] == ["run", "--mcp", "calendar", "--", sys.executable, HOSTILE, "tells"]
    assert entry["env"] == {"SECRET": CANARY}
    limit = json.loads(answer.stdout)["emitted"]["limit"]
    assert (limit["limited"], limit["as_before"]) == (["calendar"], [])
    assert load_settings(config_file=Path(limit["file"])).pools["mcp:calendar"].capacity == 2


def test_a_limit_on_copies_that_stands_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "sro.toml"
    file.write_text('interval_s = 9\n[pools."mcp:a"]\ncapacity = 5\n')
    file.chmod(0o640)

    done = limit_copies(["a", 'b "c"'], 2, file)

    assert (done["limited"], done["as_before"]) == (['b "c"'], ["a"])
    assert file.stat().st_mode & 0o777 == 0o640
    assert tomllib.loads(file.read_text()) == {
        "interval_s": 9,
        "pools": {"mcp:a": {"capacity": 5}, 'mcp:b "c"': {"capacity": 2}},
    }
    assert limit_copies(["a", 'b "c"'], 3, file)["limited"] == []


def test_an_sro_toml_that_cannot_take_a_pool_is_left_and_the_words_are_said(tmp_path: Path) -> None:
    file = tmp_path / "sro.toml"
    file.write_text('pools = {memory = "1 GiB"}\n')

    with pytest.raises(ConfigurationError, match=r'pools\."mcp:a"\.capacity = 2'):
        limit_copies(["a"], 2, file)

    assert file.read_text() == 'pools = {memory = "1 GiB"}\n'


def test_a_secret_of_the_configuration_appears_nowhere(config: Path) -> None:
    outputs = [
        run("profile", "--config", config, "--all"),
        run("profile", "--config", config, "--all", "--json"),
        run("catalog"),
        run("catalog", "--mcp-id", "calendar", "--json"),
        run("select", "--task", "look into my calendar", "--config", config),
        run("select", "--task", "look into my calendar", "--config", config, "--json"),
    ]

    assert [CANARY in result.output for result in outputs] == [False] * len(outputs)
    assert "cannot find my database" in outputs[0].stdout
    kept = [path for path in config.parent.rglob("*") if path.is_file() and path != config]
    assert kept
    assert [path for path in kept if CANARY.encode() in path.read_bytes()] == []


def test_nothing_starts_without_a_yes(config: Path) -> None:
    result = run("profile", "--config", config, input="n\n")

    assert result.exit_code == 1
    assert "Start 3 servers?" in result.stderr
    assert not (config.parent / "data").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("profile", "absent"), "no server 'absent' is configured"),
        (("profile", "calendar", "--probe", "x"), "is not ID.TOOL=JSON"),
        (("profile", "--approve"), "name the IDS to approve"),
        (("select", "--emit-config", "x.json"), "--emit-config needs --config FILE"),
        (("select", "--config", "mcp.json", "--copies", "2"), "--copies needs --wrap"),
    ],
)
def test_what_cannot_be_done_is_said(config: Path, words: tuple[str, ...], said: str) -> None:
    further = ("--config", config) if words[0] == "profile" else ()

    result = run(*words, *further)

    assert result.exit_code == 2
    assert said in result.stderr
