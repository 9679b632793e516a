"""What operators install, checked by the tools that will read it."""

import shutil
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from optimizer.settings import ENVIRONMENT

DEPLOY = Path(__file__).parents[2] / "examples" / "deploy"
UNITS = sorted(DEPLOY.glob("systemd/**/*.service"))


def environment_of(unit: Path) -> dict[str, str]:
    lines = unit.read_text().splitlines()
    pairs = (line.removeprefix("Environment=") for line in lines if line.startswith("Environment="))
    return dict(pair.split("=", 1) for pair in pairs)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.parent.name)
def test_systemd_accepts_the_unit(unit: Path, tmp_path: Path) -> None:
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("systemd-analyze is not on this machine (Debian: systemd)")
    installed = tmp_path / unit.name
    text = unit.read_text().replace("/usr/local/bin/sro", "/bin/true")
    installed.write_text(text.replace("%h/.local/bin/sro", "/bin/true"))

    checked = subprocess.run([tool, "verify", installed], capture_output=True, text=True)

    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.parent.name)
def test_every_variable_of_a_unit_is_one_that_is_read(unit: Path) -> None:
    further = {"SRO_SOCKET", "SRO_CONFIG"}

    assert set(environment_of(unit)) <= set(ENVIRONMENT) | further


def test_the_kubernetes_objects_fit_their_schemas() -> None:
    documents = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "sro.yaml").read_text()))

    for document in documents:
        kubernetes_validate.validate(document, "1.34", strict=True)

    assert [document["kind"] for document in documents] == ["Deployment", "Service"]


def test_the_container_file_passes_its_linter() -> None:
    linter = Path(sys.executable).with_name("hadolint")

    checked = subprocess.run([linter, DEPLOY / "Containerfile"], capture_output=True, text=True)

    assert (checked.returncode, checked.stdout) == (0, "")
