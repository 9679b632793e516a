import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from server.cli.import_history import import_history


@pytest.fixture(autouse=True)
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/sro.db")
    monkeypatch.setenv("SRO_CONFIG", "/dev/null")


def table(hours: int, header: str = "timestamp,cpu_usage,memory_usage") -> str:
    """One line for every 5 minutes, up to an hour ago."""
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    moments = [end - timedelta(minutes=5 * step) for step in range(hours * 12, 0, -1)]
    return "\n".join([header, *(f"{moment.isoformat()},40,60" for moment in moments)])


def run(text: str, *options: str) -> Result:
    return CliRunner().invoke(import_history, ["-", *options], input=text)


def test_a_week_is_imported_and_reported() -> None:
    report = json.loads(run(table(hours=168), "--json").stdout)

    assert report["rows"] == 168 * 12
    assert report["hours_filled"] == 168
    assert report["metrics"] == ["cpu_usage", "memory_usage"]


def test_importing_again_changes_nothing() -> None:
    text = table(hours=24)
    run(text)

    report = json.loads(run(text, "--json").stdout)

    assert report["hours_filled"] == 0
    assert report["kept"] == 24 + 24 * 12


def test_the_report_is_a_sentence_for_people() -> None:
    result = run(table(hours=2))

    assert result.exit_code == 0
    assert ": 24 lines of cpu_usage, memory_usage" in result.stdout


def test_an_import_that_filled_nothing_says_why() -> None:
    now = datetime.now(UTC).isoformat()

    result = run(f"timestamp,cpu_usage\n{now},40")

    assert result.exit_code == 0
    assert "Nothing was filled: a step of 5 minutes is filled once it is over." in result.stdout
    assert "Nothing was filled" not in run(table(hours=2)).stdout


def test_an_unknown_column_is_named_and_nothing_is_imported() -> None:
    result = run(table(hours=2, header="timestamp,cpu,memory_usage"))

    assert result.exit_code == 1
    assert "unknown column 'cpu'" in result.stderr
    assert "Nothing was imported" in result.stderr
