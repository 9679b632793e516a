import json
import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from server.cli.commands import sro
from tests.serving import serving


def run(*arguments: str) -> Result:
    return CliRunner().invoke(sro, arguments)


def test_without_a_daemon_status_and_stop_end_with_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SRO_SOCKET", str(tmp_path / "none.sock"))

    for command in ("status", "stop"):
        done = run(command)
        assert done.exit_code == 3
        assert "No daemon runs" in done.stdout


def test_a_daemon_is_shown_and_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "d.sock")
    monkeypatch.setenv("SRO_SOCKET", path)
    python_path = os.pathsep.join(sys.path)
    with serving(tmp_path, SRO_SOCKET=path, PYTHONPATH=python_path) as url:
        table, as_json = run("status"), run("status", "--json")
        checked = run("doctor", "--json")
        stopped = run("stop")

    status = json.loads(as_json.stdout)
    findings = {finding["name"]: finding for finding in json.loads(checked.stdout)}
    assert status["http"] == url
    assert url in table.stdout
    assert findings["daemon"]["verdict"] == "ok"
    assert findings["port"]["said"] == f"the daemon serves {url}"
    assert stopped.exit_code == 0


def test_the_doctor_says_what_is_wrong_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SRO_SOCKET", str(tmp_path / "none.sock"))
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("PORT", "0")
    monkeypatch.setenv("SEQUENTIAL_THINKING_MCP_ENDPOINT", "http://127.0.0.1:9/mcp")

    done = run("doctor", "--json")

    findings = {finding["name"]: finding for finding in json.loads(done.stdout)}
    assert done.exit_code == 1
    assert findings["thinking server"]["verdict"] == "fail"
    assert "empty for the embedded one" in findings["thinking server"]["fix"]
    assert findings["store"]["verdict"] == "ok"
    assert findings["monitor"]["verdict"] == "ok"


def test_bad_settings_are_the_doctors_first_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "web")

    done = run("doctor")

    assert done.exit_code == 1
    assert "PORT" in done.stdout
