"""How well a task's words fit a server: BM25F at two granularities, in plain Python.

A server is matched as one document and by its best single tool; half the score comes from each.
Word weights come from a table that ships with the package and field lengths from constants, never
from the pool, so a candidate's score does not depend on which others stand beside it. The score is
the share of the task's weighted words that the server answers, 0 to 1.

Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009).
"""

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

from optimizer.cost_benefit.option import Option, Tool
from optimizer.cost_benefit.synonyms import SYNONYMS
from optimizer.cost_benefit.words import words


class Field(NamedTuple):
    """How a field of the text counts.

    Attributes:
        weight: Occurrences that one occurrence here counts as.
        b: How strongly length discounts, 0 to 1.
        length: Usual number of words of the field.
    """

    weight: float
    b: float
    length: float


NAME = Field(weight=5.0, b=0.6, length=3.0)
DESCRIPTION = Field(weight=0.5, b=0.0, length=30.0)
TOOL_NAME = Field(weight=6.0, b=0.75, length=2.5)
TOOL_DESCRIPTION = Field(weight=0.5, b=0.75, length=25.0)
PARAMETER = Field(weight=0.6, b=0.0, length=4.0)

K1_SERVER = 1.2
K1_TOOL = 0.9
SYNONYM_WEIGHT = 0.4
TOOL_SHARE = 0.5

_FIT_OFFSET = 3.9
_FIT_SLOPE = 43.0

Weights = dict[str, float]


@dataclass(frozen=True)
class Document:
    """A candidate, ready to be matched: saturated word weights, each 0 to 1."""

    server: Weights
    tools: tuple[Weights, ...]


@dataclass(frozen=True)
class Match:
    """How a task fits a candidate.

    Attributes:
        score: Share of the task's weighted words that it answers, 0 to 1.
        tools: Names of its tools that fit best, best first, at most 5.
    """

    score: float
    tools: tuple[str, ...] = ()


@dataclass(frozen=True)
class Query:
    """A task as weighted words; each with the stems that may answer it and their discount."""

    alternatives: tuple[tuple[tuple[str, float], ...], ...]
    total: float


def rank(task_text: str, candidates: Sequence[Mapping[str, Any]]) -> list[str]:
    """Order candidates by how well they fit a task, by text alone.

    Args:
        task_text: The task in words.
        candidates: Mappings with id, name, description and tools (name, description, input_schema).

    Returns:
        All ids, best first; equal ones by id.
    """
    query = read_task(task_text)
    scored = [
        (-score(query, _mapping_document(candidate)), str(candidate["id"]))
        for candidate in candidates
    ]
    return [identifier for _, identifier in sorted(scored)]


def match(query: Query, option: Option) -> Match:
    """How the task fits an option, and by which of its tools."""
    document = option_document(option)
    by_tool = [(_answered(query, tool), i) for i, tool in enumerate(document.tools)]
    shortlist = sorted(
        (pair for pair in by_tool if pair[0] > 0), key=lambda pair: (-pair[0], pair[1])
    )
    return Match(
        score=score(query, document),
        tools=tuple(option.tools[i].name for _, i in shortlist[:5]),
    )


@lru_cache(maxsize=1024)
def read_task(text: str) -> Query:
    """A task's words with their weights: rarer words and repeated ones weigh more."""
    groups = []
    total = 0.0
    for stem, count in Counter(words(text)).items():
        weight = idf(stem) * (1 + math.log(count))
        total += weight
        others = (
            (other, SYNONYM_WEIGHT * min(1.0, idf(other) / idf(stem)) * weight)
            for other in SYNONYMS.get(stem, ())
        )
        groups.append(((stem, weight), *others))
    return Query(alternatives=tuple(groups), total=total)


def score(query: Query, document: Document) -> float:
    """Share of the task's weighted words that a candidate answers, 0 to 1; 0 without words."""
    server = _answered(query, document.server)
    if not document.tools:
        return server
    best_tool = max(_answered(query, tool) for tool in document.tools)
    return (1 - TOOL_SHARE) * server + TOOL_SHARE * best_tool


def _answered(query: Query, weights: Weights) -> float:
    total = 0.0
    for alternatives in query.alternatives:
        best = 0.0
        for stem, weight in alternatives:
            answered = weights.get(stem)
            if answered is not None and answered * weight > best:
                best = answered * weight
        total += best
    return total / query.total if query.total > 0 else 0.0


@cache
def _document_counts() -> tuple[int, dict[str, int]]:
    """Number of descriptions counted, and in how many of them a stem occurs."""
    table = json.loads(files("optimizer.cost_benefit").joinpath("idf.json").read_text("utf-8"))
    return table["candidates"], table["counts"]


@lru_cache(maxsize=65_536)
def idf(stem: str) -> float:
    """Weight of a stem by its rarity among server descriptions; never seen counts as seen once."""
    candidates, counts = _document_counts()
    seen = counts.get(stem, 1)
    return math.log(1 + (candidates - seen + 0.5) / (seen + 0.5))


def option_document(option: Option) -> Document:
    """The document of an option; what it declares it can do counts as its name does."""
    declared = " ".join((*option.capabilities, option.category))
    return _document(option.id, f"{option.name} {declared}", option.description, option.tools)


def _mapping_document(candidate: Mapping[str, Any]) -> Document:
    tools = tuple(_tool(tool) for tool in candidate.get("tools") or ())
    return _document(
        str(candidate["id"]), candidate.get("name") or "", candidate.get("description") or "", tools
    )


def _tool(raw: Mapping[str, Any]) -> Tool:
    schema = raw.get("input_schema") or raw.get("inputSchema") or {}
    return Tool(
        raw.get("name") or "", raw.get("description") or "", tuple(schema.get("properties") or ())
    )


def candidate_words(candidate: Mapping[str, Any]) -> set[str]:
    """The stems that a candidate uses anywhere."""
    document = _mapping_document(candidate)
    return set(document.server)


@lru_cache(maxsize=2048)
def _document(identifier: str, name: str, description: str, tools: tuple[Tool, ...]) -> Document:
    """Words into weights, once for a content."""
    server: Weights = {}
    _add(server, words(identifier if identifier == name.strip() else f"{identifier} {name}"), NAME)
    _add(server, words(description), DESCRIPTION)
    singles = []
    for tool in tools:
        single: Weights = {}
        for field, text in (
            (TOOL_NAME, tool.name),
            (TOOL_DESCRIPTION, tool.description),
            (PARAMETER, " ".join(tool.parameters)),
        ):
            _add(single, words(text), field)
        for stem, weight in single.items():
            server[stem] = server.get(stem, 0.0) + weight
        singles.append(_saturated(single, K1_TOOL))
    return Document(server=_saturated(server, K1_SERVER), tools=tuple(singles))


def _add(weights: Weights, stems: Iterable[str], field: Field) -> None:
    stems = list(stems)
    discounted = field.weight / (1 - field.b + field.b * len(stems) / field.length)
    for stem in stems:
        weights[stem] = weights.get(stem, 0.0) + discounted


def _saturated(weights: Weights, k1: float) -> Weights:
    """Each further occurrence adds less, so stuffing a word does not pay."""
    return {stem: weight / (weight + k1) for stem, weight in weights.items()}


def probability_of_fit(score: float) -> float:
    """The chance that a candidate serves the task, from the score of its words.

    A logistic curve fitted on 467 tasks of LiveMCPBench and MetaTool, each with the servers that
    serve it among 20: no word in common is 2 %, a score of 0.1 is 60 %.
    """
    return 1 / (1 + math.exp(_FIT_OFFSET - _FIT_SLOPE * score))
