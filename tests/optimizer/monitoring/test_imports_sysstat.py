"""What `sadf -j` prints, from a real sysstat and by hand."""

import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from optimizer.errors import InvalidRequestError
from optimizer.monitoring.imports_sysstat import parse_sysstat
from optimizer.monitoring.keeper import COLUMNS

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
COLLECTOR = "/usr/lib/sysstat/sadc"


def printed(*records: dict[str, Any]) -> list[str]:
    return [json.dumps({"sysstat": {"hosts": [{"statistics": list(records)}]}})]


def record(time: str, **figures: Any) -> dict[str, Any]:
    return {"timestamp": {"date": "2026-03-02", "time": time, "utc": 1, "interval": 600}, **figures}


def test_every_figure_gets_its_unit_and_loopback_does_not_count() -> None:
    memory = {"memfree": 50, "memused": 20, "buffers": 10, "cached": 15, "slab": 5, "avail": 75}
    links = [
        {"iface": "lo", "rxkB": 100.0, "txkB": 100.0},
        {"iface": "eth0", "rxkB": 1.5, "txkB": 0.5},
        {"iface": "eth1", "rxkB": 0.5, "txkB": 0.0},
    ]
    cores = [{"cpu": "0", "idle": 1}, {"cpu": "all", "idle": 70.0, "iowait": 10.0}]
    one = record(
        "10:00:00",
        memory=memory,
        queue={"ldavg-1": 1.5},
        network={"net-dev": links},
        **{"cpu-load": cores},
    )

    found = parse_sysstat(printed(one), now=NOW)

    row = {name: found.values[0, COLUMNS[name]] for name in found.metrics}
    assert row == {
        "cpu_usage": 20,
        "memory_usage": 25,
        "load_1m": 1.5,
        "network_rx_bytes_s": 2048,
        "network_tx_bytes_s": 512,
    }
    assert found.times_s.tolist() == [(NOW - timedelta(hours=2)).timestamp()]


@pytest.mark.parametrize(
    "lines",
    [
        ["not json"],
        ["{}"],
        printed(),
        printed(record("23:00:00", queue={"ldavg-1": 1})),
        printed(record("10:00:00")),
        printed({"timestamp": {"date": "2026-03-02", "time": "10:00:00"}}),
    ],
)
def test_anything_else_is_refused_and_nothing_counts(lines: list[str]) -> None:
    with pytest.raises(InvalidRequestError, match="Nothing was imported"):
        parse_sysstat(lines, now=NOW)


def test_what_is_impossible_is_unknown() -> None:
    load = [{"cpu": "all", "idle": -5.0}]

    found = parse_sysstat(
        printed(record("10:00:00", queue={"ldavg-1": 1}, **{"cpu-load": load})), now=NOW
    )

    assert found.metrics == ("load_1m",)


def test_a_real_sysstat_is_understood(tmp_path: Path) -> None:
    if shutil.which("sadf") is None or not Path(COLLECTOR).exists():
        pytest.skip("sysstat is not installed: apt-get install sysstat")
    recorded = tmp_path / "recorded"
    subprocess.run([COLLECTOR, "1", "2", str(recorded)], check=True)
    wanted = ("-u", "-r", "ALL", "-S", "-q", "LOAD", "-n", "DEV")
    told = subprocess.run(
        ["sadf", "-j", str(recorded), "--", *wanted], check=True, capture_output=True, text=True
    )

    found = parse_sysstat(told.stdout.splitlines(), now=datetime.now(UTC) + timedelta(seconds=2))

    assert found.rows >= 1
    assert {"cpu_usage", "memory_usage", "load_1m", "network_rx_bytes_s"} <= set(found.metrics)
