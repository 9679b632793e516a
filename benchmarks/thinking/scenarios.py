"""Decisions whose best answer stands in words: what a model adds to the solver, if anything."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optimizer.thinking.question import Candidate, Question

FILE = Path(__file__).with_name("scenarios.json")


@dataclass(frozen=True)
class Scenario:
    """One decision.

    Attributes:
        name: Names it.
        kind: What the words are about.
        question: As a thinker sees it; the solver's choice is its first candidate.
        best: What a careful person chooses.
    """

    name: str
    kind: str
    question: Question
    best: str


def scenarios() -> tuple[Scenario, ...]:
    """All of them, in the order of the file."""
    return tuple(_scenario(told) for told in json.loads(FILE.read_text(encoding="utf-8")))


def _scenario(told: dict[str, Any]) -> Scenario:
    candidates = tuple(
        Candidate(
            id=one["id"],
            summary=one["summary"],
            figures={n: v for n, v in one.items() if n not in ("id", "summary")},
        )
        for one in told["candidates"]
    )
    question = Question(
        decision_id=f"scenario-{told['name']}",
        topic="optimization",
        situation=("cpu: 5.6 of 8 cores used (70%).", "memory: 21 of 32 GiB used (66%)."),
        outlook=("cpu: within 24 h at most 7.1 cores with 95% probability.",),
        context=told["context"],
        candidates=candidates,
        chosen_because=f"all are within 10 % of each other; {candidates[0].id} is first",
    )
    return Scenario(told["name"], told["kind"], question, told["best"])
