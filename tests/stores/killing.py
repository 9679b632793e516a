"""A ledger whose process is killed while it writes, again and again: `killing.py FILE KILLS`.

Everything is imported once; each writer is a fork, so a kill costs milliseconds. A writer prints a
line for each thing that was acknowledged to it, before it does the next.
"""

import os
import random
import signal
import sys
import time
from datetime import UTC, datetime

import anyio

from optimizer.allocation.ledger import Admitted
from optimizer.store.engine import Database
from tests.stores.test_ledger import draft, open_desk, pools

SLOTS = 50


def now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


async def write(path: str, told: int) -> None:
    """Take and give back until killed."""
    desk = open_desk(Database(f"sqlite:///{path}"), now, pools(SLOTS))
    chance = random.Random()
    held: list[str] = []
    while True:
        if held and chance.random() < 0.5:
            name = held.pop(chance.randrange(len(held)))
            os.write(told, f"- {name}\n".encode())
            await desk.keeper.release(name, "alice", {})
            continue
        outcome = await desk.take(draft(ttl_s=3600))
        if isinstance(outcome, Admitted):
            held.append(outcome.lease.allocation_id)
            os.write(told, f"+ {held[-1]}\n".encode())


async def look(path: str) -> tuple[set[str], bool, float]:
    """Leases that are there, whether the books hold, and seconds until the first answer."""
    began = time.monotonic()
    database = Database(f"sqlite:///{path}")
    desk = open_desk(database, now, pools(SLOTS))
    leases = (await desk.keeper.held(None, limit=1000)).leases
    took = time.monotonic() - began
    holds = await desk.holds()
    for lease in leases:
        await desk.keeper.release(lease.allocation_id, "alice", {})
    await database.close()
    return {lease.allocation_id for lease in leases}, holds, took


def kill_once(path: str, chance: random.Random) -> set[str]:
    """Let a writer run for a while and kill it; answers what was acknowledged and not given back.

    What it was about to give back may be there or not: nobody was told.
    """
    read, told = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        anyio.run(write, path, told)
    os.close(told)
    with os.fdopen(read) as lines:
        seen = [lines.readline() for _ in range(chance.randint(3, 25))]
        time.sleep(chance.random() * 0.01)
        os.kill(child, signal.SIGKILL)
        seen += lines.readlines()
    os.waitpid(child, 0)
    sure: set[str] = set()
    for line in seen:
        sign, _, name = line.strip().partition(" ")
        (sure.add if sign == "+" else sure.discard)(name)
    return sure


def main(path: str, kills: int) -> int:
    """Kill and look; answers 0 when nothing was lost."""
    lost = inconsistent = 0
    slowest = 0.0
    for number in range(kills):
        sure = kill_once(path, random.Random(number))
        there, holds, took = anyio.run(look, path)
        lost += len(sure - there)
        inconsistent += not holds
        slowest = max(slowest, took)
    sys.stdout.write(
        f"{kills} kills, {lost} lost, {inconsistent} inconsistent, ready in {slowest:.2f} s\n"
    )
    return int(bool(lost or inconsistent))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
