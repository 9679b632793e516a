"""However it ends: nothing acknowledged is lost, and nobody is left without a word (R5)."""

from pathlib import Path

from benchmarks.endings import sigkill_under_load, sigterm_under_load


def test_told_to_stop_under_load_it_answers_what_it_took_and_keeps_what_it_granted(
    tmp_path: Path,
) -> None:
    ending = sigterm_under_load(tmp_path)

    assert ending.acknowledged
    assert (ending.lost, ending.unanswered) == (set(), [])


def test_killed_under_load_each_shim_is_told_once_and_its_next_call_meets_a_new_daemon(
    tmp_path: Path,
) -> None:
    ending = sigkill_under_load(tmp_path)

    assert ending.acknowledged
    assert (ending.lost, ending.unanswered) == (set(), [])
