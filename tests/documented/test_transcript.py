from pathlib import Path

import pytest

from tests.documented.transcript import agrees, calls


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("cpu 2 cores", "cpu 64 cores"),
        ("lease alloc_abc-1 until 12:30", "lease alloc_XYZ_2 until 23:59"),
        ("first\n...\nlast", "first\nsecond\nthird\nlast"),
        ("a   table", "a table"),
    ],
)
def test_numbers_ids_times_and_dots_may_differ(shown: str, printed: str) -> None:
    assert agrees(shown, printed)


@pytest.mark.parametrize(
    ("shown", "printed"),
    [("healthy", "critical"), ("first\n...", "second"), ("cpu 2 cores", "cpu 2 cores free")],
)
def test_words_may_not_differ(shown: str, printed: str) -> None:
    assert not agrees(shown, printed)


def test_commands_and_answers_are_told_apart(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```console\n$ one \\\n    more\nanswer\n$ two\n```\n")

    one, two = calls(page)

    assert (one.command, one.answer) == ("one more", "answer")
    assert (two.command, two.answer) == ("two", "")
