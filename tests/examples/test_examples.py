"""Every example, run as its first line says."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving import CHECKOUT, lonely_environment, serving, stop_daemon

EXAMPLES = CHECKOUT / "examples"

LIMIT_S = 300


def run(name: str, *arguments: str, folder: Path, code: int | None = 0, **settings: str) -> str:
    """What an example prints."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        env=lonely_environment(folder, **settings),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert code is None or done.returncode == code, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("served")) as address:
        yield address


def test_every_example_is_run_here() -> None:
    tests = Path(__file__).read_text()

    assert [path.name for path in EXAMPLES.glob("*.py") if f'"{path.name}"' not in tests] == []


def test_basic_optimization_prints_a_plan(tmp_path: Path) -> None:
    said = run("basic_optimization.py", folder=tmp_path)

    assert said.startswith("balanced_optimization: ")
    assert "\n1. " in said


def test_the_best_mcp_server_is_named(tmp_path: Path) -> None:
    assert run("mcp_selection.py", folder=tmp_path).startswith("Use ")


def test_the_kgot_controller_works_under_a_lease(tmp_path: Path) -> None:
    said = run("kgot_controller.py", folder=tmp_path)

    assert "256.00 MiB" in said
    assert said.endswith("answer to 'who cites whom'\n")


def test_the_rest_client_holds_a_lease_and_gives_it_back(server: str, tmp_path: Path) -> None:
    said = run("rest_client.py", server, folder=tmp_path)

    assert "Granted memory 256.00 MiB" in said
    assert said.endswith("lease released\n")


def test_the_health_check_tells_by_its_exit_code(server: str, tmp_path: Path) -> None:
    said = run("health_check.py", server, folder=tmp_path, code=None)

    assert said.split(":")[0] in ("healthy", "degraded", "critical")


def test_the_health_check_of_nothing_fails(tmp_path: Path) -> None:
    assert run("health_check.py", "http://127.0.0.1:9", folder=tmp_path, code=2) == ""


def test_the_alita_agent_works_over_http(server: str, tmp_path: Path) -> None:
    said = run("alita_agent.py", f"{server}/mcp", folder=tmp_path)

    assert "allocate" in said.splitlines()[0]
    assert said.endswith("index the repository: done\n")


def test_the_alita_agent_works_over_stdio(tmp_path: Path) -> None:
    scripts = Path(sys.executable).parent
    path = f"{scripts}{os.pathsep}{os.environ['PATH']}"

    said = run("alita_agent.py", folder=tmp_path, PATH=path)

    stop_daemon(lonely_environment(tmp_path))
    assert said.endswith("index the repository: done\n")


def test_a_strategy_of_ones_own_is_found_after_its_installation(tmp_path: Path) -> None:
    """The plug-in is built and unpacked, as pip does, beside everything else."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    folder = EXAMPLES / "custom_strategy"
    subprocess.run(build, cwd=folder, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    subprocess.run([sys.executable, "-m", "zipfile", "-e", str(wheel), str(site)], check=True)
    script = tmp_path / "ask.py"
    script.write_text(
        (EXAMPLES / "basic_optimization.py")
        .read_text()
        .replace("balanced_optimization", "green_first")
    )
    path = os.pathsep.join([str(site), str(CHECKOUT)])

    said = run(str(script), folder=tmp_path, PYTHONPATH=path)

    assert said.startswith("green_first: ")
