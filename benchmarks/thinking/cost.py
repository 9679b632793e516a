"""What thinking costs: `python -m benchmarks.thinking.cost [--decisions 10000]`.

CPU time of a decision in the embedded server beside a call of a tool that does nothing; the real
npm server under 8 and 100 decisions at once, with a canary in every thought; and what its children
hold after many decisions, because its history is never cleared and only recycling bounds it.
"""

import argparse
import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from statistics import linear_regression, quantiles

import psutil
from mcp import Client
from mcp.server import MCPServer

from optimizer.mcp_client.process import Command
from optimizer.thinking.question import Candidate, Question, Reasoning, Thought
from optimizer.thinking.remote import RemoteScratchpad
from optimizer.thinking.scratchpad import EmbeddedScratchpad
from optimizer.thinking.thinker import Thinker
from tests import node

BUDGET = timedelta(seconds=10)
ROUNDS = 300
WATCH_EVERY = 200


def question(name: str) -> Question:
    """Three candidates, two facts, and a canary that no other decision may meet."""
    return Question(
        decision_id=name,
        topic="optimization",
        situation=(f"canary-{name}", "cpu: 5.6 of 8 cores used (70%)."),
        outlook=("cpu: within 24 h at most 7.1 cores with 95% probability.",),
        candidates=tuple(
            Candidate(id=f"c{n}", summary=f"cpu x{1 + n}", figures={"cost_usd_month": 40.0 + n})
            for n in range(3)
        ),
        chosen_because="cheapest of those that hold every limit",
    )


async def cpu_ms(call: Callable[[int], Awaitable[object]]) -> float:
    """CPU-milliseconds of one call, after a warm-up."""
    for turn in range(ROUNDS // 10):
        await call(-1 - turn)
    began = time.process_time()
    for turn in range(ROUNDS):
        await call(turn)
    return 1000 * (time.process_time() - began) / ROUNDS


async def embedded() -> None:
    """A decision in this process beside the cheapest call that there is."""
    nothing = MCPServer("nothing")

    @nothing.tool()
    async def noop() -> str:
        return "ok"

    async with Client(nothing) as client, Thinker(EmbeddedScratchpad()) as thinker:
        call = await cpu_ms(lambda turn: client.call_tool("noop", {}))
        decision = await cpu_ms(lambda turn: thinker.think(question(f"e{turn}"), budget=BUDGET))
    print(f"embedded: {decision:.2f} CPU-ms a decision; a tool that does nothing {call:.2f}")


async def at_once(thinker: Thinker, count: int, clients: int) -> None:
    """Decisions from so many clients at a time: latency, where they were recorded, cross-talk."""
    took: list[float] = []
    recorded: Counter[str] = Counter()
    crossed = 0
    waiting = list(range(count))

    async def client() -> None:
        nonlocal crossed
        while waiting:
            name = f"n{clients}x{waiting.pop()}"
            heard: list[Thought] = []

            async def hear(thought: Thought, heard: list[Thought] = heard) -> None:
                heard.append(thought)

            began = time.perf_counter()
            verdict = await thinker.think(question(name), budget=BUDGET, on_thought=hear)
            took.append(time.perf_counter() - began)
            recorded[_where(verdict.reasoning)] += 1
            crossed += sum(
                "canary-" in t.text.replace(f"canary-{name}", "")
                for t in verdict.reasoning.thoughts
            ) + (tuple(heard) != verdict.reasoning.thoughts)
            await asyncio.sleep(0)  # as one does that writes to a socket

    await asyncio.gather(*[client() for _ in range(clients)])
    cuts = [1000 * cut for cut in quantiles(took, n=100)]
    print(
        f"npm server, {clients} at once: p50 {cuts[49]:.0f}, p99 {cuts[98]:.0f}, "
        f"max {1000 * max(took):.0f} ms; {_told(recorded)}; {crossed} with another's thoughts"
    )


def _where(reasoning: Reasoning) -> str:
    """Where the thoughts were recorded, and why there."""
    return " ".join([reasoning.scratchpad, *reasoning.warnings])


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.most_common())


async def memory(thinker: Thinker, decisions: int) -> None:
    """The largest child, and what we hold ourselves, while many decisions go by."""
    us, pids = psutil.Process(), set[int]()
    recorded: Counter[str] = Counter()
    looks: list[tuple[int, float, float, int]] = []
    for done in range(0, decisions, 8):
        verdicts = await asyncio.gather(
            *[thinker.think(question(f"m{done + n}"), budget=BUDGET) for n in range(8)]
        )
        recorded.update(_where(verdict.reasoning) for verdict in verdicts)
        if done % WATCH_EVERY == 0:
            children = [c for c in us.children(recursive=True) if _is_server(c)]
            pids.update(child.pid for child in children)
            largest = max((child.memory_info().rss for child in children), default=0) / 2**20
            looks.append((done, largest, us.memory_info().rss / 2**20, us.num_fds()))
    done, largest, own, fds = (list(column) for column in zip(*looks, strict=True))
    late = len(looks) // 5  # the first fifth warms up
    slopes = [1000 * linear_regression(done[late:], held[late:]).slope for held in (largest, own)]
    print(
        f"npm server, {decisions} decisions: largest child {largest[0]:.0f} MiB at first, "
        f"{max(largest):.0f} at most, {slopes[0]:+.2f} in 1,000 decisions; {len(pids)} children in "
        f"all were seen; our own process {own[late]:.0f} to {own[-1]:.0f} MiB, {slopes[1]:+.2f} in "
        f"1,000; descriptors {min(fds[late:])} to {max(fds[late:])}; {_told(recorded)}"
    )


def _is_server(process: psutil.Process) -> bool:
    try:
        return "server-sequential-thinking" in " ".join(process.cmdline())
    except psutil.Error:  # it has just ended
        return False


async def main(decisions: int) -> None:
    """All of it; with patience where memory is looked at, so that children get every thought."""
    await embedded()
    command = Command(node.sequential_thinking(), env={"DISABLE_THOUGHT_LOGGING": "true"})
    async with Thinker(RemoteScratchpad("stdio", command)) as thinker:
        await at_once(thinker, 64, 8)
        await at_once(thinker, 800, 8)
        await at_once(thinker, 400, 100)
    async with Thinker(
        RemoteScratchpad("stdio", command), page_within=BUDGET, thought_within=BUDGET
    ) as thinker:
        await memory(thinker, decisions)
        await at_once(thinker, 800, 8)  # by children that are warm
    left = [child for child in psutil.Process().children(recursive=True) if _is_server(child)]
    print(f"children left: {len(left)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.thinking.cost", description=__doc__)
    parser.add_argument("--decisions", type=int, default=10_000)
    asyncio.run(main(parser.parse_args().decisions))
