"""A command that uses more than its lease where nothing can hold it: it is told."""

import os
import sqlite3
import sys
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.processes import until
from tests.server.test_run import CONFIGURATION, SRO, started
from tests.serving import lonely_environment, serving

BURN = "import os\nprint('on', flush=True)\nos.fork()\nwhile True: pass"

LITTLE = 0.02
"""Cores of a lease that a burner exceeds on a very busy machine too."""

READ_ONLY = (
    'for at in /sys/fs/cgroup /sys/fs/cgroup/*; do mount -o remount,bind,ro $at; done; exec "$@"'
)
"""What containers have: control groups that can be read and not written."""


def test_where_nothing_holds_it_overuse_is_told_within_two_samples(tmp_path: Path) -> None:
    within = ("unshare", "--mount", "sh", "-c", READ_ONLY, "sh") if os.getuid() == 0 else ()
    command = [*SRO, "run", "--cpu", f"{LITTLE} cores", "--", sys.executable, "-c", BURN]
    (tmp_path / "sro.toml").write_text(CONFIGURATION)
    settings = {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "SRO_SOCKET": str(tmp_path / "d.sock"),
        "SRO_CONFIG": str(tmp_path / "sro.toml"),
        "MONITORING_INTERVAL": "1",
    }
    environment = lonely_environment(tmp_path, **settings)
    with serving(tmp_path, within=within, **settings) as address:
        with started(command, environment) as burner:
            assert burner.stdout is not None
            assert burner.stderr is not None
            said = burner.stderr.readline().decode()
            assert burner.stdout.readline() == b"on\n", said
            began = datetime.now().astimezone()
            alert = until(lambda: overuse(address))
            burner.kill()
        is_over = until(lambda: overuse(address) is None)

    assert "control groups are not ours" in said
    assert alert["value"] > alert["threshold"] == pytest.approx(LITTLE)
    assert is_over
    told = datetime.fromisoformat(alert["raised_at"])
    assert samples(tmp_path, began, told) <= 3, "the first of them saw it begin"


def overuse(address: str) -> Any:
    """The alert that a lease uses more CPU than it holds."""
    alerts = (
        httpx.get(f"{address}/api/v1/alerts", timeout=300).raise_for_status().json()["standing"]
    )
    return next((alert for alert in alerts if alert["metric"].startswith("lease_cpu:")), None)


def samples(folder: Path, after: datetime, until_then: datetime) -> int:
    """How many samples were taken between two moments."""
    between = tuple(round(moment.timestamp() * 1e6) for moment in (after, until_then))
    with closing(sqlite3.connect(folder / "data" / "sro.db")) as store:
        query = "SELECT count(*) FROM samples WHERE at > ? AND at <= ?"
        return int(store.execute(query, between).fetchone()[0])
