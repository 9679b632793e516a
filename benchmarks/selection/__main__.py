"""Our ranker beside others in one run: `python -m benchmarks.selection`, after `make .venv/bench`.

Prints the table of docs/selection.md and draws docs/selection.svg. Each ranker runs in a process of
its own, so that memory is its own.
"""

import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from benchmarks.selection.picture import draw
from benchmarks.selection.rankers import RANKERS
from benchmarks.selection.scoring import measure

PICTURE = Path(__file__).parents[2] / "docs" / "selection.svg"


def rows(measured: dict[str, dict[str, float]]) -> Iterator[str]:
    """The table in Markdown."""
    columns = list(next(iter(measured.values())))
    yield f"| ranker | {' | '.join(columns)} |"
    yield f"| --- |{' --- |' * len(columns)}"
    for name, figures in measured.items():
        cells = (f"{v:.3f}" if "@" in key else f"{v:.1f}" for key, v in figures.items())
        yield f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Measure every ranker, print the table, draw the picture."""
    measured = {}
    for name in RANKERS:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
            measured[name] = alone.submit(measure, name).result()
        print(f"{name}: done", file=sys.stderr)
    print("\n".join(rows(measured)))
    PICTURE.write_text(draw(measured), encoding="utf-8")


if __name__ == "__main__":
    main()
