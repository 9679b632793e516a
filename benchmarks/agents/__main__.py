"""`python -m benchmarks.agents FOLDER`: many recorded agents on one machine, under our allocation.

FOLDER holds the replay and its recordings (replay.py, agent_traces.csv.gz); they are no part of
this project (docs/agents.md). Every policy gets the same runs: half of them to learn from, jobs
drawn from the other half, anew for each seed.
"""

import argparse
import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.agents.picture import draw
from optimizer.allocation.replay_policy import make

OURS, ORACLE, SWAP_MB_S = "sro", "f oracle", 500.0

HORIZON_S = 8 * 3600
"""A replay ends here; a policy without control never ends by itself."""

Result = dict[str, float]
Policy = Any
"""Whatever has on_arrival, on_sample and on_finish."""


def load_replay(folder: Path) -> ModuleType:
    """The simulator of a folder, as a module of its own."""
    specification = importlib.util.spec_from_file_location("replay", folder / "replay.py")
    if specification is None or specification.loader is None:
        sys.exit(f"{folder / 'replay.py'} cannot be read; name the folder that holds it")
    replay = importlib.util.module_from_spec(specification)
    sys.modules["replay"] = replay
    specification.loader.exec_module(replay)
    return replay


def load_runs(replay: ModuleType, files: Sequence[Path]) -> list[Any]:
    """All recorded runs; those beside the simulator where no file is named."""
    found = [replay.load(file) for file in files] or [replay.load()]
    return [run for runs in found for run in runs]


def policies(
    replay: ModuleType, train: list[Any], jobs: list[Any], machine: Any, only: Sequence[str]
) -> dict[str, Callable[[], Policy]]:
    """The baselines whose names begin as one of `only`, ours, and the oracle."""
    chosen: dict[str, Callable[[], Policy]] = {
        label: lambda build=build: build(jobs)
        for label, build in replay.baselines(train, machine).items()
        if label == ORACLE or not only or label.startswith(tuple(only))
    }
    return {**chosen, OURS: lambda: make(train, machine)}


def replayed(
    replay: ModuleType, runs: list[Any], setting: str, seed: int, only: Sequence[str], *, swap: bool
) -> dict[str, Result]:
    """One seed of one setting under every policy."""
    memory_mb, cores, count, arrival, load, largest = replay.SETTINGS[setting]
    machine = replay.Machine(memory_mb, cores)
    train, jobs, arrivals = replay.workload(runs, machine, count, arrival, seed, load, largest)
    replay.SWAP_MB_S = SWAP_MB_S if swap else 0.0
    return {
        label: replay.simulate(jobs, arrivals, machine, build(), horizon_s=HORIZON_S)
        for label, build in policies(replay, train, jobs, machine, only).items()
    }


def rows(seeds: Sequence[dict[str, Result]]) -> Iterator[str]:
    """Every policy beside the oracle, as lines of a table: means over the seeds."""
    oracle = [seed[ORACLE] for seed in seeds]
    for label in seeds[0]:
        results = [seed[label] for seed in seeds]
        shares = [
            result["runs_per_h"] / best["runs_per_h"]
            for result, best in zip(results, oracle, strict=True)
        ]
        wait = mean(results, "wait_p95_s") / max(1.0, mean(oracle, "wait_p95_s"))
        overall = mean(results, "runs_per_h") / mean(oracle, "runs_per_h")
        yield (
            f"| {label} | {overall:.1%} ({min(shares):.1%}) | {mean(results, 'oom'):.1f} "
            f"| {mean(results, 'evicted'):.1f} | {mean(results, 'lost_s') / results[0]['of']:.1f} "
            f"| {wait:.2f} | {mean(results, 'mem_util'):.0%} "
            f"| {mean(results, 'swap_peak_mb'):.0f} |"
        )


def mean(results: Sequence[Result], name: str) -> float:
    """The mean of one figure."""
    return float(np.mean([result[name] for result in results]))


def main() -> None:
    """Print a table for each setting, with swap and without, or draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="holds replay.py and agent_traces.csv.gz")
    parser.add_argument("traces", type=Path, nargs="*", help="recordings in place of the folder's")
    parser.add_argument("--settings", default="ABCDEF", help="first letters of settings")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--swap", choices=("with", "without", "both"), default="both")
    parser.add_argument(
        "--only", nargs="*", default=[], help="beginnings of the baselines' names; all by default"
    )
    parser.add_argument("--picture", type=Path, help="draw the first setting and seed to this file")
    chosen = parser.parse_args()
    replay = load_replay(chosen.folder)
    runs = load_runs(replay, chosen.traces)
    settings = [name for name in replay.SETTINGS if name[0] in chosen.settings]
    if chosen.picture:
        chosen.picture.write_text(
            draw(replay, runs, settings[0], chosen.first_seed, ours=make), encoding="utf-8"
        )
        return
    for swap in (True, False):
        if chosen.swap == ("without" if swap else "with"):
            continue
        for setting in settings:
            seeds = [
                replayed(replay, runs, setting, seed, chosen.only, swap=swap)
                for seed in range(chosen.first_seed, chosen.first_seed + chosen.seeds)
            ]
            print(f"\n## {setting}, {'with' if swap else 'without'} swap ({chosen.seeds} seeds)")
            print(
                "| policy | runs/h of the oracle's (lowest seed) | OOM kills | ended by us "
                "| lost s a run | p95 wait of the oracle's | memory used | most in swap, MB |"
            )
            print("|---|---|---|---|---|---|---|---|")
            for row in rows(seeds):
                print(row, flush=True)


if __name__ == "__main__":
    main()
