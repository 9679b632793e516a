"""`python -m benchmarks.forecasting`: our models and others on real series, as a table."""

import argparse
import csv
import gzip
from pathlib import Path

import numpy as np

from benchmarks.forecasting.anchors import ANCHORS, OURS, forecasters
from benchmarks.forecasting.scoring import TRACKS, Scores, averaged, score
from optimizer.statistics import FloatArray

DATA = Path(__file__).parent / "series.csv.gz"


def load(path: Path, step_s: int) -> list[FloatArray]:
    """Every series of the file, averaged to one step."""
    csv.field_size_limit(1 << 24)
    with gzip.open(path, "rt") as file:
        return [
            averaged(np.array(row["values"].split(), dtype=np.float64), int(row["step_s"]), step_s)
            for row in csv.DictReader(file)
        ]


def table(scores: dict[str, Scores]) -> str:
    """The scores as markdown, the least quantile loss first."""
    lines = [
        "| model | relative MAE | relative quantile loss | 80 % coverage | ms (median) |",
        "|---|---|---|---|---|",
    ]
    for name, found in sorted(scores.items(), key=lambda item: item[1].relative_loss):
        lines.append(
            f"| {name} | {found.relative_error:.3f} | {found.relative_loss:.3f} "
            f"| {100 * found.coverage:.1f} % | {found.milliseconds:.1f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Score the chosen models on the chosen tracks and print a table for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    every = [*OURS, *ANCHORS]
    parser.add_argument("--track", choices=TRACKS, nargs="*", default=list(TRACKS))
    parser.add_argument("--model", choices=every, nargs="*", default=every)
    chosen = parser.parse_args()
    found, missing = forecasters(chosen.model)
    for name in missing:
        print(f"{name} is left out: {ANCHORS[name][0]} is not installed")
    for name in chosen.track:
        series = load(DATA, TRACKS[name].step_s)
        scores = {model: score(forecast, series, TRACKS[name]) for model, forecast in found.items()}
        count = next(iter(scores.values())).forecasts
        print(f"\n## {name}: {len(series)} series, {count} forecasts\n\n{table(scores)}")


if __name__ == "__main__":
    main()
