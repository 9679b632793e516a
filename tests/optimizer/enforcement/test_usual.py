"""What a command usually uses."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.enforcement.usual import (
    FIRST,
    LEAST,
    PastRun,
    command_key,
    used_before,
    usual_of,
)

MIB = 2**20


def run(
    *, wall_s: float = 10, cpu_s: float = 5, peak_bytes: int = 100 * MIB, exit_code: int = 0
) -> PastRun:
    return PastRun(
        command="make test",
        directory="/work",
        ended_at=datetime(2026, 11, 25, tzinfo=UTC),
        wall_s=wall_s,
        cpu_s=cpu_s,
        peak_bytes=peak_bytes,
        exit_code=exit_code,
    )


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("make test", "make test"),
        ("/usr/bin/make -j8 test", "make"),
        ("npm run build --prod", "npm run build"),
        ("python3.11 train.py --key sk-secret data.csv", "python train.py"),
        ("python -X dev -m pytest tests -q", "python -m pytest"),
        ("python -m pytest tests -q", "python -m pytest"),
        ("npx -y @modelcontextprotocol/server-memory", "npx @modelcontextprotocol/server-memory"),
        ("env TOKEN=abc nice -n 5 cargo build", "cargo build"),
        ("curl https://user:secret@example.org/x", "curl"),
        ("timeout 10 git push origin main", "git push origin"),
        ("node /home/ann/.npm/x/node_modules/server/dist/index.js", "node server/dist/index.js"),
        ("sudo", "sudo"),
    ],
)
def test_a_key_holds_the_plain_words_and_no_secret(typed: str, key: str) -> None:
    assert command_key(typed.split()) == key


@given(st.lists(st.text(max_size=20), min_size=1, max_size=8))
def test_every_command_has_a_short_key(argv: list[str]) -> None:
    key = command_key(argv)

    assert key.removeprefix(key.split(" ")[0]).count(" ") <= 2
    assert "=" not in key.partition(" ")[2]


def test_a_program_whose_name_has_spaces_is_one_word() -> None:
    assert command_key(["/opt/My Editor", "open", "a.txt"]) == "My_Editor open a.txt"


def test_the_first_run_says_that_nothing_is_known() -> None:
    usual = usual_of([], given=(), is_server=False)

    assert usual.resources == FIRST
    assert usual.why == "no run of it is known yet, so 1 core and 1.00 GiB to begin with"


def test_later_runs_get_the_95th_percentile() -> None:
    runs = [run(peak_bytes=100 * MIB)] * 18 + [run(peak_bytes=1434 * MIB)] * 2
    usual = usual_of(runs, given=(), is_server=False)

    assert usual.resources == {"cpu": 0.5, "memory": 1434 * MIB}
    assert usual.why == "20 runs, p95 0.5 core and 1.40 GiB"


def test_what_is_given_is_not_guessed_and_a_server_reserves_no_cpu() -> None:
    assert set(usual_of([run()], given=("cpu",), is_server=False).resources) == {"memory"}
    assert set(usual_of([run()], given=(), is_server=True).resources) == {"memory"}
    assert usual_of([run()], given=("cpu", "memory"), is_server=False).why == ""


def test_a_short_run_does_not_look_like_a_hungry_one() -> None:
    usual = usual_of([run(wall_s=0.01, cpu_s=0.01)], given=(), is_server=False)

    assert usual.resources["cpu"] == LEAST["cpu"]


def test_runs_that_failed_at_once_are_left_out_where_others_tell_more() -> None:
    failed = run(wall_s=0.3, cpu_s=0.1, peak_bytes=20 * MIB, exit_code=2)
    usual = usual_of([run(), *[failed] * 40], given=(), is_server=False)

    assert usual.resources == {"cpu": 0.5, "memory": 100 * MIB}
    assert usual.why == "1 run, p95 0.5 core and 100.00 MiB; 40 that failed at once left out"
    assert usual_of([failed], given=(), is_server=False).resources["memory"] == 20 * MIB


@pytest.mark.parametrize(
    ("wall_s", "exit_code"),
    [(60, 1), (0.3, -9), (0.3, 0)],
    ids=["failed late", "ended by a signal", "short and well"],
)
def test_other_runs_count(wall_s: float, exit_code: int) -> None:
    heavy = run(wall_s=wall_s, peak_bytes=900 * MIB, exit_code=exit_code)

    assert usual_of([run(), heavy], given=(), is_server=False).resources["memory"] == 900 * MIB


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=60))
def test_at_least_95_percent_of_the_runs_would_have_fitted(peaks: list[int]) -> None:
    usual = usual_of([run(peak_bytes=peak) for peak in peaks], given=(), is_server=False)

    assert sum(peak <= usual.resources["memory"] for peak in peaks) >= 0.95 * len(peaks)


def test_what_a_command_used_before_is_of_the_runs_that_got_to_their_work() -> None:
    failed = run(exit_code=1, wall_s=0.5, peak_bytes=20 * MIB)
    runs = [run(peak_bytes=peak * MIB) for peak in (100, 300, 200)]

    assert used_before([*runs, failed])["memory"] == [100 * MIB, 300 * MIB, 200 * MIB]
    assert used_before([*runs[:2], failed]) == {}
