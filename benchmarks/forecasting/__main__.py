"""`python -m benchmarks.forecasting`: our models and others on real series, as a table."""

import argparse
import csv
import gzip
import platform
import warnings
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.forecasting.anchors import ANCHORS, OURS, forecasters
from benchmarks.forecasting.scoring import TRACKS, Scores, averaged, paired, score
from optimizer.statistics import FloatArray

DATA = Path(__file__).parent / "series.csv.gz"

ACTED_ON = "ml_hybrid"


def load(path: Path, step_s: int) -> dict[str, FloatArray]:
    """Every series of the file by its name, averaged to one step."""
    csv.field_size_limit(1 << 24)
    with gzip.open(path, "rt") as file:
        return {
            row["series"]: averaged(
                np.array(row["values"].split(), dtype=np.float64), int(row["step_s"]), step_s
            )
            for row in csv.DictReader(file)
        }


def table(scores: dict[str, Scores]) -> str:
    """The scores as markdown, the least quantile loss first."""
    lines = [
        "| model | relative MAE | relative quantile loss | 80 % coverage | ml_hybrid's loss / its "
        "own, 95 % upper bound | CPU ms (median, 95 %) |",
        "|---|---|---|---|---|---|",
    ]
    ours = scores.get(ACTED_ON)
    for name, found in sorted(scores.items(), key=lambda item: item[1].relative_loss):
        against = "" if ours is None or name == ACTED_ON else _against(ours, found)
        middle, slow = np.quantile(found.milliseconds, (0.5, 0.95))
        lines.append(
            f"| {name} | {found.relative_error:.3f} | {found.relative_loss:.3f} "
            f"| {100 * found.inside.mean():.1f} % | {against} | {middle:.1f}, {slow:.1f} |"
        )
    return "\n".join(lines)


def _against(ours: Scores, theirs: Scores) -> str:
    found = paired(ours, theirs)
    return f"{found.ratio:.3f}, {found.upper:.3f}"


def main() -> None:
    """Score the chosen models on the chosen tracks and print a table for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    every = [*OURS, *ANCHORS]
    parser.add_argument("--track", choices=TRACKS, nargs="*", default=list(TRACKS))
    parser.add_argument("--model", choices=every, nargs="*", default=every)
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    for name in chosen.track:
        found, missing = forecasters(chosen.model, name)
        for absent in missing:
            print(f"{absent} is left out: {ANCHORS[absent].package} is not installed")
        series = list(load(DATA, TRACKS[name].step_s).values())
        scores = {model: score(forecast, series, TRACKS[name]) for model, forecast in found.items()}
        count = next(iter(scores.values())).inside.size
        print(
            f"\n## {name}: {len(series)} series, {count} forecasts\n\n{table(scores)}", flush=True
        )
    print(f"\n{datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, one thread")


if __name__ == "__main__":
    main()
