"""One ranker on the sets of data/: how often it is right, and what it costs."""

import gzip
import json
import math
import random
import resource
import time
from pathlib import Path
from statistics import fmean, median
from typing import Any

from benchmarks.selection.rankers import RANKERS, Candidates, Ranker

DATA = Path(__file__).with_name("data")
SETS = ("livemcp", "metatool", "metatool_multi")
POOL = 20

Task = dict[str, Any]


def load(name: str) -> tuple[Candidates, list[Task]]:
    """The candidates and tasks of a set; metatool_multi has the candidates of metatool."""
    data = _read(name)
    return data.get("candidates") or _read("metatool")["candidates"], data["tasks"]


def _read(name: str) -> dict[str, Any]:
    with gzip.open(DATA / f"{name}.json.gz", "rt", encoding="utf-8") as file:
        read: dict[str, Any] = json.load(file)
    return read


def ndcg_5(order: list[str], relevant: set[str]) -> float:
    """How near the relevant ids are to the top five; 1 when they are first."""
    gained = sum(1 / math.log2(i + 2) for i, each in enumerate(order[:5]) if each in relevant)
    return gained / sum(1 / math.log2(i + 2) for i in range(min(5, len(relevant))))


def pool_of(task: Task, candidates: Candidates) -> Candidates:
    """The servers that serve a task among others, 20 in all; the task's id is the seed."""
    by_id = {candidate["id"]: candidate for candidate in candidates}
    draw_ = random.Random(task["id"])
    others = draw_.sample(sorted(set(by_id) - set(task["relevant"])), POOL - len(task["relevant"]))
    ids = [*task["relevant"], *others]
    draw_.shuffle(ids)
    return [by_id[identifier] for identifier in ids]


def measure(name: str) -> dict[str, float]:
    """One ranker on every set: macro means, and what it costs."""
    before = _resident_mib()
    rank = RANKERS[name]()
    figures = [_on_set(rank, each) for each in SETS]
    means = {key: fmean(each[key] for each in figures) for key in figures[0]}
    return means | {"RSS growth, MiB": _resident_mib() - before}


def _on_set(rank: Ranker, name: str) -> dict[str, float]:
    candidates, tasks = load(name)
    began = time.process_time()
    rank(tasks[0]["text"], candidates)
    index_ms = (time.process_time() - began) * 1000
    orders, took = [], []
    for task in tasks:
        began = time.process_time()
        orders.append(rank(task["text"], candidates))
        took.append((time.process_time() - began) * 1000)
    small = [rank(task["text"], pool_of(task, candidates)) for task in tasks]
    relevant = [set(task["relevant"]) for task in tasks]
    return {
        "nDCG@5": fmean(ndcg_5(o, r) for o, r in zip(orders, relevant, strict=True)),
        "hit@1": fmean(o[0] in r for o, r in zip(orders, relevant, strict=True)),
        "hit@1 of 20": fmean(o[0] in r for o, r in zip(small, relevant, strict=True)),
        "index, CPU ms": index_ms,
        "query p50, CPU ms": median(took),
    }


def _resident_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
