"""Servers that misbehave, each in a cage: a named end in time, nothing left, nobody else harmed."""

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from optimizer.enforcement.cells import Cell, Cells
from optimizer.enforcement.groups import find_home
from optimizer.machine.processes import resident_below
from optimizer.mcp_client.cage import Job, Met, meet
from optimizer.mcp_client.caged.bounds import Bounds

HOSTILE = str(Path(__file__).with_name("hostile_server.py"))
PATIENT = Bounds(connect_s=60, discover_s=60, list_s=60, probe_s=60)
LONG_S = 300.0

ENDS: dict[str, tuple[str, str]] = {
    "exits": ("closed", "it ended with code 3"),
    "no_newline": ("too_much", "more than 8388608 bytes"),
    "huge": ("too_much", "more than 8388608 bytes"),
    "bad_version": ("protocol", "it speaks MCP 1999-01-01"),
    "cursor": ("protocol", "a cursor comes again"),
    "pages": ("too_much", "after 20 pages"),
    "no_list": ("protocol", "has no list of tools"),
    "many": ("too_much", "more than 2000 tools"),
    "deep_line": ("too_much", "nested"),
    "hangs_up": ("closed", "it ended with code 7"),
}
"""Way to misbehave to the problem and a part of its words."""

TOO_LATE: dict[str, tuple[Bounds, str]] = {
    "silent": (replace(PATIENT, connect_s=1, discover_s=0.5), "initialize"),
    "slow": (replace(PATIENT, list_s=1), "tools/list"),
    "drip": (replace(PATIENT, list_s=1), "tools/list"),
}
"""Way to be slow to what is not waited for long, and its name."""

HARMLESS = ("behaves", "banner", "stderr", "ignores_term", "ignores_discover", "grandchildren")


def no_cell(most_bytes: int) -> None:
    """As on a machine whose control groups are somebody else's."""


async def met_with(mode: str, *, bounds: Bounds = PATIENT, **options: Any) -> Met:
    job = Job(argv=(sys.executable, HOSTILE, mode), env=options.pop("env", {}))
    more = {"make_cell": no_cell, "total_s": LONG_S} | options
    return await meet(job, below=resident_below, bounds=bounds, **more)


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Whatever a server does: no process of it is there after the test."""
    before = set(resident_below(os.getpid()))
    yield
    assert set(resident_below(os.getpid())) <= before


@pytest.fixture
def cells() -> Cells:
    """Where they can be made."""
    home = find_home()
    if home.reason:
        pytest.skip(f"no control groups may be made here: {home.reason}")
    return Cells(lambda: home)


def peak_of(cell: Path) -> int:
    names = ("memory.peak", "memory.max_usage_in_bytes")
    return next(int((cell / name).read_text()) for name in names if (cell / name).exists())


def reported(met: Met) -> Mapping[str, Any]:
    assert met.report is not None, met
    return met.report


@pytest.mark.parametrize("mode", ENDS)
async def test_a_broken_server_ends_with_a_named_reason(mode: str) -> None:
    problem, words = ENDS[mode]

    failure = reported(await met_with(mode))["failure"]

    assert failure["problem"] == problem
    assert words in failure["detail"]


@pytest.mark.parametrize("mode", TOO_LATE)
async def test_a_server_that_is_too_slow_is_given_up(mode: str) -> None:
    bounds, awaited = TOO_LATE[mode]

    failure = reported(await met_with(mode, bounds=bounds))["failure"]

    assert failure["problem"] == "timeout"
    assert awaited in failure["detail"]


@pytest.mark.parametrize("mode", HARMLESS)
async def test_what_does_no_harm_does_not_matter(mode: str) -> None:
    bounds = replace(PATIENT, discover_s=0.5) if mode == "ignores_discover" else PATIENT
    report = reported(await met_with(mode, bounds=bounds))

    assert report["failure"] is None
    assert [tool["name"] for tool in report["tools"]] == ["look"]
    assert len(report["stderr"]) <= 4096


async def test_an_answer_that_comes_late_from_a_slow_start_counts() -> None:
    slow_start = replace(PATIENT, discover_s=0.5)

    report = reported(await met_with("modern_and_slow", bounds=slow_start))

    assert report["hello"]["era"] == "modern"
    assert [tool["name"] for tool in report["tools"]] == ["look"]


async def test_the_end_of_stderr_says_why() -> None:
    assert reported(await met_with("exits"))["stderr"] == "cannot find my database"


async def test_one_bad_tool_does_not_take_the_others_with_it() -> None:
    report = reported(await met_with("bad_schema"))

    assert [tool["name"] for tool in report["tools"]] == ["look"]
    assert report["refused_tools"] == {
        "bare": "its inputSchema is absent, not an object",
        "text": "its inputSchema is a str, not an object",
        "#4": "has no name of 1 to 200 characters",
    }


async def test_a_schema_that_is_nested_too_deeply_is_refused_by_name() -> None:
    report = reported(await met_with("deep_schema"))

    assert [tool["name"] for tool in report["tools"]] == ["look"]
    assert "nested more than 64 deep" in report["refused_tools"]["deep"]


async def test_tools_of_one_name_are_noticed() -> None:
    assert reported(await met_with("twins"))["warnings"] == ["two tools are called look"]


async def test_whatever_the_server_asks_is_declined() -> None:
    report = reported(await met_with("asks"))

    assert report["asked_for"] == ["sampling/createMessage", "elicitation/create"]
    assert '"action": "decline"' in report["tools"][0]["description"]
    assert "declined while profiling" in report["tools"][0]["description"]


async def test_what_the_server_started_is_ended_and_counted() -> None:
    assert (await met_with("grandchildren")).left_over >= 2


async def test_a_server_that_takes_too_much_memory_is_ended() -> None:
    met = await met_with("eats", memory_bytes=100 * 2**20)

    assert (met.report, met.problem) == (None, "too_much")
    assert "more than 90 of 100 MiB of memory" in met.detail
    assert 0 < met.resident_bytes < 150 * 2**20


async def test_the_kernel_itself_holds_a_server_to_its_memory(cells: Cells) -> None:
    most = 100 * 2**20
    made: list[Cell] = []
    peaks: list[int] = []

    class Measured(Cell):
        def remove(self) -> None:
            peaks.append(peak_of(self.folder))
            super().remove()

    def make(most_bytes: int) -> Cell | None:
        cell = cells.make(most_bytes)
        assert cell is not None
        made.append(Measured(cell.folder))
        return made[-1]

    met = await met_with("eats", memory_bytes=most, make_cell=make)

    assert (met.report, met.problem) == (None, "too_much")
    assert 0 < peaks[0] <= most
    assert not made[0].folder.exists()


async def test_a_server_that_needs_little_lives_in_a_cell_as_outside(cells: Cells) -> None:
    met = await met_with("grandchildren", make_cell=cells.make)

    assert reported(met)["failure"] is None
    assert met.left_over >= 2


async def test_the_whole_has_a_deadline_of_its_own() -> None:
    met = await met_with("silent", total_s=1.0)

    assert (met.problem, met.detail) == ("timeout", "it was not done within 1 s")


async def test_servers_beside_a_hostile_one_are_met_as_if_alone() -> None:
    met: dict[str, Met] = {}

    async def one(mode: str) -> None:
        met[mode] = await met_with(mode)

    async with anyio.create_task_group() as tasks:
        for mode in ("huge", "grandchildren", "hangs_up", "behaves"):
            tasks.start_soon(one, mode)

    assert reported(met["behaves"])["failure"] is None
    assert reported(met["hangs_up"])["stderr"] == "out of cheese"


async def test_a_program_that_is_not_there_is_absent() -> None:
    met = await meet(
        Job(argv=("/no/such/program",)), below=resident_below, make_cell=no_cell, total_s=LONG_S
    )

    assert reported(met)["failure"]["problem"] == "absent"


async def test_only_tools_that_say_that_they_only_read_are_called() -> None:
    asked = {"look": {"at": 1}, "write": {}}

    willing = await meet(
        Job(argv=(sys.executable, HOSTILE, "tells"), probes=asked),
        below=resident_below,
        make_cell=no_cell,
        bounds=PATIENT,
        total_s=LONG_S,
    )
    unwilling = await meet(
        Job(argv=(sys.executable, HOSTILE, "behaves"), probes=asked),
        below=resident_below,
        make_cell=no_cell,
        bounds=PATIENT,
        total_s=LONG_S,
    )

    assert [call["what"] for call in reported(willing)["calls"]] == ["look"]
    assert reported(willing)["warnings"] == ["write was not called: it is not offered"]
    assert [call["what"] for call in reported(unwilling)["calls"]] == ["ping"]
    assert reported(unwilling)["warnings"] == [
        "look was not called: it does not say that it only reads",
        "write was not called: it is not offered",
    ]


async def test_only_the_names_that_every_program_needs_are_inherited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SECRET", "ours-and-nobody-elses")

    report = reported(await met_with("tells"))

    assert report["tools"][0]["description"] == "Uses ."
