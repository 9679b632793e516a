import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.serving import CHECKOUT

UV = str(Path(sys.executable).with_name("uv"))


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=CHECKOUT, check=True, capture_output=True, text=True)
    [built] = folder.glob("*.whl")
    return built


@dataclass(frozen=True)
class Installation:
    """An environment with nothing in it but the wheel and what the lock names."""

    folder: Path

    @property
    def bin(self) -> Path:
        """Where its console scripts are."""
        return self.folder / "bin"


@pytest.fixture(scope="session")
def installation(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The wheel as a user installs it, with every package compared with its hash in the lock."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    python = str(folder / "bin" / "python")
    install = [UV, "pip", "install", "--quiet", "--python", python]
    for command in (
        [UV, "venv", "--quiet", "--python", sys.executable, str(folder)],
        [*install, "--require-hashes", "--requirement", "requirements/run.lock"],
        [*install, "--no-deps", str(wheel)],
    ):
        subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True, text=True)
    return Installation(folder)
