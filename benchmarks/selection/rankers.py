"""Rankers side by side: each takes a task and candidates, and answers ids, best first.

A ranker keeps its index for the candidates that it saw last, as a server would.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Any

Candidates = Sequence[dict[str, Any]]
Ranker = Callable[[str, Candidates], list[str]]
Index = Callable[[str], Sequence[float]]
"""A task to the score of each candidate."""

_WORD = re.compile(r"[a-z0-9]+")


def text_of(candidate: dict[str, Any]) -> str:
    """Everything that a candidate says, as one text."""
    tools = (f"{tool['name']} {tool.get('description') or ''}" for tool in candidate["tools"])
    return " ".join((candidate["name"], candidate.get("description") or "", *tools))


def by_index(build: Callable[[list[str]], Index]) -> Ranker:
    """A ranker that builds its index once for the same candidates."""
    built: dict[tuple[str, ...], Index] = {}

    def rank(task: str, candidates: Candidates) -> list[str]:
        ids = tuple(candidate["id"] for candidate in candidates)
        if ids not in built:
            built.clear()
            built[ids] = build([text_of(candidate) for candidate in candidates])
        scores = built[ids](task)
        return [i for _, i in sorted((-float(s), i) for s, i in zip(scores, ids, strict=True))]

    return rank


def ours() -> Ranker:
    """BM25F of this project."""
    from optimizer.cost_benefit.relevance import rank

    return rank


def rank_bm25() -> Ranker:
    """rank_bm25, BM25Okapi over lower-case words."""
    from rank_bm25 import BM25Okapi

    def build(texts: list[str]) -> Index:
        index = BM25Okapi([_WORD.findall(text.lower()) for text in texts])
        return lambda task: index.get_scores(_WORD.findall(task.lower()))

    return by_index(build)


def bm25s() -> Ranker:
    """bm25s with its English stop words and Snowball stems."""
    import bm25s as library
    import Stemmer

    stemmer = Stemmer.Stemmer("english")

    def words(texts: list[str]) -> Any:
        return library.tokenize(
            texts, stopwords="en", stemmer=stemmer, show_progress=False, return_ids=False
        )

    def build(texts: list[str]) -> Index:
        index = library.BM25()
        index.index(words(texts), show_progress=False)

        def scores(task: str) -> Sequence[float]:
            [asked] = words([task])
            return index.get_scores(asked) if asked else [0.0] * len(texts)

        return scores

    return by_index(build)


def tf_idf() -> Ranker:
    """TF-IDF of scikit-learn: words and pairs, English stop words, sublinear."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    def build(texts: list[str]) -> Index:
        vectorizer = TfidfVectorizer(stop_words="english", ngram_range=(1, 2), sublinear_tf=True)
        matrix = vectorizer.fit_transform(texts)
        return lambda task: (matrix @ vectorizer.transform([task]).T).toarray()[:, 0]

    return by_index(build)


def fastmcp() -> Ranker:
    """FastMCP's own BM25 search, which finds tools: a server is as good as its best tool."""
    from fastmcp.server.transforms.search.bm25 import BM25SearchTransform
    from fastmcp.tools import Tool

    built: dict[tuple[str, ...], tuple[Any, list[Any]]] = {}
    owners: dict[str, str] = {}

    def tool(candidate: dict[str, Any], each: dict[str, Any]) -> Any:
        name = re.sub(r"[^\w.-]", "_", f"{candidate['id']}__{each['name']}")
        owners[name] = candidate["id"]
        text = f"{candidate['name']} {candidate.get('description') or ''} {each['description']}"
        parameters = each.get("input_schema") or {"type": "object"}
        return Tool(name=name, description=text, parameters=parameters)

    def rank(task: str, candidates: Candidates) -> list[str]:
        ids = tuple(candidate["id"] for candidate in candidates)
        if ids not in built:
            built.clear()
            owners.clear()
            tools = [
                tool(candidate, each)
                for candidate in candidates
                for each in (candidate["tools"] or [{"name": "call", "description": ""}])
            ]
            built[ids] = BM25SearchTransform(max_results=len(tools)), tools
        search, tools = built[ids]
        found = asyncio.run(search._search(tools, task))
        best = list(dict.fromkeys(owners[each.name] for each in found))
        return [*best, *sorted(set(ids) - set(best))]

    return rank


RANKERS: dict[str, Callable[[], Ranker]] = {
    "ours": ours,
    "FastMCP's BM25 search": fastmcp,
    "bm25s, stemmed": bm25s,
    "rank_bm25": rank_bm25,
    "TF-IDF (scikit-learn)": tf_idf,
}
