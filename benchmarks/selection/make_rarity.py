"""Make optimizer/cost_benefit/rarity.json: in how many descriptions of servers a stem occurs.

    python benchmarks/selection/make_rarity.py FILE... > optimizer/cost_benefit/rarity.json

FILE: JSON with `candidates: [{id, name, description, tools: [{name, description, input_schema}]}]`
whose licence lets counts of its words be shipped. The table that ships counts the packages of
toolsdk-ai/awesome-mcp-registry (packages/*.json, with the tools of indexes/packages-list.json).
"""

import json
import sys
from collections import Counter
from pathlib import Path

from optimizer.cost_benefit.relevance import words_of


def main(paths: list[str]) -> None:
    """Count, and write stems that at least two candidates use."""
    counts: Counter[str] = Counter()
    candidates = 0
    sources = []
    for path in paths:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        sources.append(f"{data['meta']['source']} ({data['meta']['licence']})")
        for candidate in data["candidates"]:
            counts.update(words_of(candidate))
            candidates += 1
    table = {
        "sources": sources,
        "candidates": candidates,
        "counts": {stem: n for stem, n in sorted(counts.items()) if n > 1},
    }
    json.dump(table, sys.stdout, ensure_ascii=False, indent=0)


if __name__ == "__main__":
    main(sys.argv[1:])
