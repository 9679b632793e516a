"""`make bench`: measures what docs/guide.md states, on a served process of this checkout."""

import asyncio
import platform
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.served import Figure, measure


def table(figures: list[Figure]) -> str:
    """The figures as the guide shows them."""
    rows = [f"| {figure.name} | {figure.value} |" for figure in figures]
    return "\n".join(["| measured | figure |", "| --- | --- |", *rows])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        measured = asyncio.run(measure(Path(folder)))
    print(table(measured))
    print(
        f"\n{datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, {platform.machine()}"
    )
