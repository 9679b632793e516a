"""How much a word says: its rarity among descriptions of MCP servers, from a table that we ship."""

import json
import math
from functools import cache, lru_cache
from importlib.resources import files


@lru_cache(maxsize=16_384)
def rarity(stem: str) -> float:
    """The inverse document frequency of a stem; one that was never seen counts as seen once.

    Source of the form: Robertson and Zaragoza (2009), equation 3.1, kept above zero. Source of the
    counts: `rarity.json` names its data; benchmarks/selection/make_rarity.py makes it.
    """
    candidates, counts = _counts()
    seen = counts.get(stem, 1)
    return math.log(1 + (candidates - seen + 0.5) / (seen + 0.5))


@cache
def _counts() -> tuple[int, dict[str, int]]:
    """Number of descriptions, and in how many of them a stem occurs."""
    table = json.loads(files("optimizer.cost_benefit").joinpath("rarity.json").read_text("utf-8"))
    return table["candidates"], table["counts"]
