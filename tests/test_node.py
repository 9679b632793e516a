"""Tests that need Node say aloud when they cannot run, and fail for it in CI."""

from pathlib import Path

import pytest

from tests import node


@pytest.mark.parametrize(
    ("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)]
)
def test_a_package_that_is_missing_skips_a_test_and_fails_it_in_ci(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setattr(node, "PACKAGES", tmp_path)
    monkeypatch.setenv("CI", ci)

    with pytest.raises(outcome, match=r"dist/index\.js is not installed; run `make setup`"):
        node.conformance()


def test_no_lock_names_where_its_packages_come_from() -> None:
    locked = (node.ROOT / "package-lock.json").read_text("utf-8")

    assert '"resolved"' not in locked
    assert '"integrity": "sha512-' in locked
