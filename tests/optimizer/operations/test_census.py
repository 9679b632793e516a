"""What the census says, and how often it is made."""

from datetime import timedelta

from optimizer.machine.census import Count, Server
from optimizer.operations.census import Counted, warnings_of
from tests.optimizer.monitoring.fakes import FakeTime


def server(name: str, copies: int, *, memory: int = 10, orphans: tuple[int, ...] = ()) -> Server:
    return Server(name, copies, copies, memory, {"claude": copies}, orphans)


def a_count(*servers: Server) -> Count:
    return Count(
        servers,
        sum(each.copies for each in servers),
        sum(each.memory_bytes for each in servers),
        sum(len(each.orphans) for each in servers),
    )


def test_orphans_are_named_with_what_to_do() -> None:
    found = a_count(server("git", 3, orphans=(71, 72)), server("fetch", 1))

    warnings = warnings_of(found, memory_bytes=None)

    assert list(warnings) == ["mcp_orphans"]
    assert "git 2" in warnings["mcp_orphans"]
    assert "kill 71 72" in warnings["mcp_orphans"]


def test_a_single_orphan_is_told_as_one() -> None:
    alone = warnings_of(a_count(server("git", 1, orphans=(71,))), memory_bytes=None)

    assert alone["mcp_orphans"] == (
        "an MCP server has outlived its host (git 1). What to do: kill 71"
    )


def test_ten_copies_of_one_server_are_many() -> None:
    assert warnings_of(a_count(server("git", 9)), memory_bytes=None) == {}
    assert "git 10" in warnings_of(a_count(server("git", 10)), memory_bytes=None)["mcp_copies"]


def test_a_quarter_of_the_memory_is_much() -> None:
    half = a_count(server("playwright", 1, memory=2**30))

    assert "1.00 GiB of 2.00 GiB" in warnings_of(half, memory_bytes=2**31)["mcp_memory"]
    assert warnings_of(half, memory_bytes=2**33) == {}


async def test_a_census_is_made_once_a_minute_however_often_it_is_asked() -> None:
    time, made = FakeTime(), []

    def count() -> Count:
        made.append(time.now)
        return a_count(server("git", 1))

    counted = Counted(count, memory_bytes=lambda: None, clock=time.clock)
    first = await counted.census()
    assert await counted.census() is first
    time.pass_by(timedelta(seconds=61))
    later = await counted.census()

    assert len(made) == 2
    assert later.counted_at > first.counted_at
