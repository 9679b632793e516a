"""The running daemon: settings read again, HTTP on demand, what operators ask it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.control import ask
from tests.processes import until
from tests.serving import lonely_environment

FIRST = "log_level = 'warning'\nrate_limit = 0\n[alert_thresholds]\nload_1m = 1e9\n"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    file = tmp_path / "sro.toml"
    file.write_text(FIRST)
    return lonely_environment(
        tmp_path,
        PYTHONPATH=os.pathsep.join(sys.path),
        SRO_CONFIG=str(file),
        SRO_SOCKET=str(tmp_path / "d.sock"),
        PORT="0",
        HISTORY_RETENTION="3600",
    )


@pytest.fixture
def daemon(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    path = environment["SRO_SOCKET"]
    command = [sys.executable, "-m", "server.daemon", "--socket", path]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            until(lambda: ask(path, "status"))
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=300)


def health(url: str) -> dict[str, Any]:
    answer: dict[str, Any] = get(f"{url}/api/v1/health").json()
    return answer


def get(url: str) -> httpx.Response:
    return httpx.get(url, trust_env=False, timeout=300)


def test_http_is_opened_by_a_word_once(
    daemon: subprocess.Popen[str], environment: dict[str, str]
) -> None:
    first = ask(environment["SRO_SOCKET"], "rest")
    second = ask(environment["SRO_SOCKET"], "rest")
    status = ask(environment["SRO_SOCKET"], "status")

    assert first is not None
    assert first == second
    assert status is not None
    assert status["http"] == first["url"]
    assert health(first["url"])["status"] in ("healthy", "degraded", "critical")


def test_a_new_file_counts_after_sighup_and_a_bad_one_leaves_the_old(
    daemon: subprocess.Popen[str], environment: dict[str, str]
) -> None:
    opened = ask(environment["SRO_SOCKET"], "rest")
    assert opened is not None
    url, file = opened["url"], Path(environment["SRO_CONFIG"])

    file.write_text("log_level = 'loud'\n")
    daemon.send_signal(signal.SIGHUP)
    warned = until(lambda: "configuration_not_reloaded" in (h := health(url))["warnings"] and h)

    file.write_text("port = 9\nrate_limit = 0\n[alert_thresholds]\nload_1m = 1e-9\n")
    daemon.send_signal(signal.SIGHUP)
    until(lambda: "configuration_not_reloaded" not in health(url)["warnings"])
    file.write_text("rate_limit = 0.001\n")
    daemon.send_signal(signal.SIGHUP)
    until(lambda: get(f"{url}/api/v1/health").status_code == 429)

    daemon.terminate()
    _, log = daemon.communicate(timeout=300)
    assert "log_level" in warned["details"]["configuration_not_reloaded"]
    assert "The former settings stay" in warned["details"]["configuration_not_reloaded"]
    assert daemon.returncode == 0
    assert "the configuration was not read again" in log


def test_an_unknown_word_changes_nothing(
    daemon: subprocess.Popen[str], environment: dict[str, str]
) -> None:
    answer = ask(environment["SRO_SOCKET"], "explode")  # type: ignore[arg-type]

    assert answer is not None
    assert "there is no control word 'explode'" in answer["reason"]
    assert daemon.poll() is None


def test_the_sidecar_tells_where_it_serves(
    daemon: subprocess.Popen[str], environment: dict[str, str]
) -> None:
    command = [sys.executable, "-m", "server.cli.main", "stdio", "--rest"]
    done = subprocess.run(
        command, input="", env=environment, capture_output=True, text=True, timeout=300, check=True
    )

    url = done.stderr.strip().rpartition(" ")[2]
    assert done.stdout == ""
    assert get(f"{url}/health").status_code == 200
