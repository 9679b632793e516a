import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from server.cli.install import HOSTS, NAME, console_script, install, merged


def run(*arguments: str) -> Result:
    return CliRunner().invoke(install, arguments)


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A Python with our console script beside it, and a home folder of its own."""
    script = tmp_path / "bin" / NAME
    script.parent.mkdir()
    script.write_text("#!/bin/sh\n")
    monkeypatch.setattr("sys.executable", str(script.with_name("python")))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return script


@pytest.mark.parametrize("host", sorted(HOSTS))
def test_install_writes_the_absolute_path_of_the_console_script(host: str, installed: Path) -> None:
    result = run(host)

    assert result.exit_code == 0, result.output
    path = HOSTS[host].path(home=Path.home(), platform="linux")
    entry = json.loads(path.read_text())[HOSTS[host].key][NAME]
    assert entry["command"] == str(installed)
    assert entry["args"] == ["stdio"]


def test_other_servers_and_settings_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    before = {"theme": "dark", "mcpServers": {"files": {"command": "files", "args": ["/"]}}}
    path.write_text(json.dumps(before))

    assert run("claude", "--file", str(path)).exit_code == 0

    after = json.loads(path.read_text())
    assert after["theme"] == "dark"
    assert after["mcpServers"]["files"] == before["mcpServers"]["files"]
    assert list(after["mcpServers"]) == ["files", NAME]


def test_installing_twice_writes_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    run("cursor", "--file", str(path), "--env", "PORT=9000")
    first = path.read_text()

    run("cursor", "--file", str(path))

    assert path.read_text() == first
    assert json.loads(first)["mcpServers"][NAME]["env"] == {"PORT": "9000"}


def test_print_shows_the_file_and_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "config.json"

    result = run("vscode", "--file", str(path), "--print")

    assert json.loads(result.stdout)["servers"][NAME]["type"] == "stdio"
    assert not path.exists()


def test_what_is_written_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "new" / "config.json"

    result = run("claude", "--file", str(path))

    assert result.stdout == path.read_text()
    assert str(path) in result.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("// comment\n{}", "not plain JSON"),
        ("[1]", "does not hold an object"),
        ('{"mcpServers": []}', '"mcpServers" is not an object'),
    ],
)
def test_a_file_that_is_not_understood_is_left_alone(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(text)

    result = run("claude", "--file", str(path))

    assert result.exit_code == 1
    assert said in result.output
    assert path.read_text() == text


def test_the_file_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text("{}")
    path.chmod(0o644)

    run("claude", "--file", str(path))

    assert path.stat().st_mode & 0o777 == 0o644
    assert [entry.name for entry in tmp_path.glob(".config*")] == []


def test_a_setting_without_a_value_is_refused(tmp_path: Path) -> None:
    result = run("claude", "--file", str(tmp_path / "config.json"), "--env", "PORT")

    assert result.exit_code == 2
    assert "NAME=VALUE" in result.output


def test_members_that_somebody_added_to_our_entry_stay() -> None:
    document = {"mcpServers": {NAME: {"command": "old", "disabled": True}}}

    entry = merged(document, key="mcpServers", entry={"command": "new", "args": ["stdio"]})

    assert entry["mcpServers"][NAME] == {"command": "new", "disabled": True, "args": ["stdio"]}


def test_without_the_console_script_the_cure_is_named(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed.unlink()
    monkeypatch.setenv("PATH", "/nonexistent")

    with pytest.raises(click.ClickException, match="pip install"):
        console_script()
