"""How well a task's words fit a server: BM25F at two granularities, in plain Python.

A server is matched as one document and by its best single tool. Word weights come from a table
that ships with the package and field lengths from constants, never from the pool, so a candidate's
score does not depend on which others stand beside it. The score is the share of the task's weighted
words that the server answers, 0 to 1.

Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

from optimizer.cost_benefit.option import Option
from optimizer.cost_benefit.rarity import rarity
from optimizer.cost_benefit.synonyms import SYNONYMS
from optimizer.cost_benefit.words import task_words, words


class Field(NamedTuple):
    """How a field of the text counts.

    Attributes:
        weight: Occurrences that one occurrence here counts as.
        b: How strongly length discounts, 0 to 1.
        length: Usual number of words of the field.
    """

    weight: float
    b: float = 0.0
    length: float = 1.0


NAME = Field(weight=5.0, b=0.6, length=3.0)
DESCRIPTION = Field(weight=0.8, b=0.3, length=20.0)
TOOL_NAME = Field(weight=4.0, b=0.75, length=2.5)
TOOL_DESCRIPTION = Field(weight=0.4, b=0.5, length=25.0)
PARAMETER = Field(weight=0.45)

K1_SERVER = 2.2
K1_TOOL = 1.5
TOOLS_IN_SERVER = 0.1
"""Weight of a tool's words in the server's document: servers of many tools use every word."""
SYNONYM = 0.55
BEST_TOOL = 0.45
"""Share of the score that the best tool gives; the server's document gives the rest."""

FIT_OFFSET = 4.86
FIT_SLOPE = 17.9

MAX_TOOLS_REMEMBERED = 1000

_NO_SCHEMA: Mapping[str, Any] = {}

Weights = dict[str, float]
Postings = dict[str, list[tuple[int, float]]]
Said = tuple[str, str, tuple[str, ...]]
"""What a tool says of itself: its name, its description and the names of its parameters."""


class Text(NamedTuple):
    """What of a candidate is matched."""

    id: str
    name: str
    description: str
    tools: tuple[Said, ...]


@dataclass(frozen=True)
class Document:
    """A candidate's words with their saturated weights, each 0 to 1."""

    server: Weights
    tools: tuple[Weights, ...]


@dataclass(frozen=True)
class Pool:
    """Candidates side by side, ready to be matched.

    Attributes:
        size: Number of candidates.
        servers: Stem to the candidates that use it.
        tools: Stem to the tools that use it; tools are numbered through the pool.
        first_tools: Number of each candidate's first tool, and how many tools there are.
    """

    size: int
    servers: Postings
    tools: Postings
    first_tools: tuple[int, ...]

    def of_each(self, tool_scores: list[float]) -> list[list[float]]:
        """The scores of all tools, candidate by candidate."""
        return [tool_scores[first:end] for first, end in pairwise(self.first_tools)]


@dataclass(frozen=True)
class Query:
    """A task as weighted words.

    Attributes:
        alternatives: For each word the stems that may answer it, each with its weight.
        total: The score of a candidate that answers every word fully.
    """

    alternatives: tuple[tuple[tuple[str, float], ...], ...]
    total: float


@dataclass(frozen=True)
class Match:
    """How a task fits a candidate.

    Attributes:
        score: Share of the task's weighted words that it answers, 0 to 1.
        tools: Names of its tools that fit best, best first, at most 5.
    """

    score: float
    tools: tuple[str, ...] = ()


def rank(task_text: str, candidates: Sequence[Mapping[str, Any]]) -> list[str]:
    """Order candidates by how well they fit a task, by text alone.

    Args:
        task_text: The task in words.
        candidates: Mappings with id, name, description and tools (name, description, input_schema).

    Returns:
        All ids, best first; equal ones by id.
    """
    scores = score_all(task_text, candidates)
    ids = [str(candidate["id"]) for candidate in candidates]
    return [
        identifier for _, identifier in sorted((-s, i) for s, i in zip(scores, ids, strict=True))
    ]


def score_all(task_text: str, candidates: Sequence[Mapping[str, Any]]) -> list[float]:
    """The score of each candidate, 0 to 1, in their order; candidates as in `rank`."""
    texts = tuple(_text(candidate) for candidate in candidates)
    scores, _ = _scores(read_task(task_text), _pool(texts))
    return scores


def match_all(task_text: str, options: Sequence[Option]) -> list[Match]:
    """How a task fits each option, and by which of its tools; in the order of the options."""
    query = read_task(task_text)
    pool = _pool(tuple(option_text(option) for option in options))
    scores, tool_scores = _scores(query, pool)
    return [
        Match(score=score, tools=_best_tools(option, of_tools))
        for option, score, of_tools in zip(options, scores, tool_scores, strict=True)
    ]


def _best_tools(option: Option, scores: list[float]) -> tuple[str, ...]:
    matching = sorted((-score, number) for number, score in enumerate(scores) if score > 0)
    return tuple(option.tools[number].name for _, number in matching[:5])


def probability_of_fit(score: float) -> float:
    """The chance that a candidate serves the task, from the score of its words.

    A logistic curve in the root of the score, fitted on 467 tasks of LiveMCPBench and MetaTool,
    each with the servers that serve it among 20 (benchmarks/selection/fit_probability.py).
    """
    return 1 / (1 + math.exp(FIT_OFFSET - FIT_SLOPE * math.sqrt(score)))


@lru_cache(maxsize=256)
def read_task(text: str) -> Query:
    """A task's words with their weights: the rarer a word, the heavier; its synonyms weigh less."""
    groups = []
    for stem in dict.fromkeys(task_words(text)):
        weight = rarity(stem)
        others = tuple(
            (other, SYNONYM * min(weight, rarity(other))) for other in SYNONYMS.get(stem, ())
        )
        groups.append(((stem, weight), *others))
    return Query(alternatives=tuple(groups), total=sum(group[0][1] for group in groups))


def _scores(query: Query, pool: Pool) -> tuple[list[float], list[list[float]]]:
    """The scores of all candidates and of the tools of each, 0 to 1."""
    servers = _answered(query, pool.servers, pool.size)
    tools = pool.of_each(_answered(query, pool.tools, pool.first_tools[-1]))
    scores = [
        (1 - BEST_TOOL) * server + BEST_TOOL * max(of_tools, default=server)
        for server, of_tools in zip(servers, tools, strict=True)
    ]
    return scores, tools


def _answered(query: Query, postings: Postings, size: int) -> list[float]:
    """For each of `size` documents, the share of the task's weighted words that it answers."""
    totals = [0.0] * size
    for alternatives in query.alternatives:
        found = [(weight, postings[stem]) for stem, weight in alternatives if stem in postings]
        best: dict[int, float] = {}
        for weight, using in found:
            if not best:
                best = {i: weight * saturated for i, saturated in using}
                continue
            for i, saturated in using:
                if weight * saturated > best.get(i, 0.0):
                    best[i] = weight * saturated
        for i, answered in best.items():
            totals[i] += answered
    return [total / query.total for total in totals] if query.total > 0 else totals


def option_text(option: Option) -> Text:
    """What of an option is matched; what it declares it can do counts as its name does."""
    declared = " ".join((option.name, *option.capabilities, option.category)).strip()
    return Text(option.id, declared, option.description, option.tools)


def _text(candidate: Mapping[str, Any]) -> Text:
    """What of a candidate is matched; every query reads all of it, so it stays plain tuples."""
    tools = [
        (
            tool.get("name") or "",
            tool.get("description") or "",
            tuple(
                (tool.get("input_schema") or tool.get("inputSchema") or _NO_SCHEMA).get(
                    "properties"
                )
                or ()
            ),
        )
        for tool in candidate.get("tools") or ()
    ]
    return Text(
        str(candidate["id"]),
        candidate.get("name") or "",
        candidate.get("description") or "",
        tuple(tools),
    )


def words_of(candidate: Mapping[str, Any]) -> set[str]:
    """The stems that a candidate uses anywhere; what the table of rarity counts."""
    return set(_document(_text(candidate)).server)


def _pool(texts: tuple[Text, ...]) -> Pool:
    """Candidates by stem; a pool of ordinary size is made once for the same contents."""
    is_large = sum(len(text.tools) for text in texts) > MAX_TOOLS_REMEMBERED
    return _make_pool.__wrapped__(texts) if is_large else _make_pool(texts)


@lru_cache(maxsize=8)
def _make_pool(texts: tuple[Text, ...]) -> Pool:
    servers: Postings = {}
    tools: Postings = {}
    first_tools = [0]
    for i, text in enumerate(texts):
        document = _document(text)
        _post(servers, i, document.server)
        for number, tool in enumerate(document.tools, first_tools[-1]):
            _post(tools, number, tool)
        first_tools.append(first_tools[-1] + len(document.tools))
    return Pool(size=len(texts), servers=servers, tools=tools, first_tools=tuple(first_tools))


def _post(postings: Postings, number: int, weights: Weights) -> None:
    for stem, weight in weights.items():
        postings.setdefault(stem, []).append((number, weight))


@lru_cache(maxsize=256)
def _document(text: Text) -> Document:
    """A candidate's words; made once for the same content."""
    server: Weights = {}
    name = text.id if text.id == text.name else f"{text.id} {text.name}"
    _add(server, words(name), NAME)
    _add(server, words(text.description), DESCRIPTION)
    tools = []
    for tool_name, description, parameters in text.tools:
        weights: Weights = {}
        _add(weights, words(tool_name), TOOL_NAME)
        _add(weights, words(description), TOOL_DESCRIPTION)
        _add(weights, words(" ".join(parameters)), PARAMETER)
        for stem, weight in weights.items():
            server[stem] = server.get(stem, 0.0) + TOOLS_IN_SERVER * weight
        tools.append(_saturated(weights, K1_TOOL))
    return Document(server=_saturated(server, K1_SERVER), tools=tuple(tools))


def _add(weights: Weights, stems: Sequence[str], field: Field) -> None:
    discounted = field.weight / (1 - field.b + field.b * len(stems) / field.length)
    for stem in stems:
        weights[stem] = weights.get(stem, 0.0) + discounted


def _saturated(weights: Weights, k1: float) -> Weights:
    """Each further occurrence adds less, so stuffing a word does not pay."""
    return {stem: weight / (weight + k1) for stem, weight in weights.items()}
