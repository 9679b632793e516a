"""Fit the curve from a relevance score to the chance that a server serves the task.

    python benchmarks/selection/fit_probability.py FILE...

FILE: JSON with `candidates` and `tasks: [{id, text, relevant: [ids]}]`. Each task is scored with
the servers that serve it and with others, drawn with the task's id as seed, 20 in all. Prints
offset and slope for relevance.py, the calibration by score, and what each threshold would refuse.
"""

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from optimizer.cost_benefit.relevance import score_all

POOL = 20


def scored_pairs(data: dict[str, Any]) -> Iterator[tuple[str, float, bool]]:
    """Task, score and whether the server serves it, for every server of every task's pool."""
    by_id = {candidate["id"]: candidate for candidate in data["candidates"]}
    for task in data["tasks"]:
        relevant = sorted(task["relevant"])
        others = sorted(set(by_id) - set(relevant))
        drawn = random.Random(task["id"]).sample(others, POOL - len(relevant))
        ids = relevant + drawn
        for identifier, score in zip(
            ids, score_all(task["text"], [by_id[i] for i in ids]), strict=True
        ):
            yield task["id"], score, identifier in relevant


def fit(scores: np.ndarray, serves: np.ndarray) -> tuple[float, float]:
    """Offset and slope of the logistic curve in the root of the score, by Newton's method."""
    x = np.column_stack([np.ones_like(scores), np.sqrt(scores)])
    beta = np.zeros(2)
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ beta))
        gradient = x.T @ (serves - p)
        hessian = (x * (p * (1 - p))[:, None]).T @ x
        beta += np.linalg.solve(hessian, gradient)
    return -float(beta[0]), float(beta[1])


def main(paths: list[str]) -> None:
    """Print the fit."""
    triples = [
        triple
        for path in paths
        for triple in scored_pairs(json.loads(Path(path).read_text(encoding="utf-8")))
    ]
    tasks = np.array([task for task, _, _ in triples])
    scores = np.array([score for _, score, _ in triples])
    serves = np.array([relevant for _, _, relevant in triples], dtype=float)
    offset, slope = fit(scores, serves)
    print(f"{len(set(tasks))} tasks: offset {offset:.2f}, slope {slope:.1f}")
    chance = 1 / (1 + np.exp(offset - slope * np.sqrt(scores)))
    for low in np.arange(0, 1, 0.1):
        inside = (chance >= low) & (chance < low + 0.1)
        if inside.any():
            print(
                f"chance {low:.1f}-{low + 0.1:.1f}: {int(inside.sum()):6} pairs, "
                f"{serves[inside].mean():.3f} serve"
            )
    for threshold in (0.02, 0.03, 0.05, 0.08, 0.1, 0.15, 0.2):
        kept = {
            str(t) for t, c, s in zip(tasks, chance, serves, strict=True) if s and c >= threshold
        }
        fooled = {
            str(t)
            for t, c, s in zip(tasks, chance, serves, strict=True)
            if not s and c >= threshold
        }
        total = len(set(tasks))
        print(
            f"threshold {threshold}: refuses {1 - len(kept) / total:.3f} of servable tasks, "
            f"accepts another server in {len(fooled) / total:.3f}"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
