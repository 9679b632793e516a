"""Scopes of systemd: what is started, and a real one where systemd runs."""

import os
import subprocess
from pathlib import Path

import pytest

from optimizer.enforcement.limits import Limits
from optimizer.enforcement.scopes import find_scopes, in_scope

BEGIN = find_scopes()
"""Empty on the machines of CI, where no test may be skipped: there the real scope is no test."""


def test_where_systemd_does_not_run_there_are_no_scopes(tmp_path: Path) -> None:
    assert find_scopes(tmp_path) == ()


def test_a_scope_that_cannot_be_made_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    (tmp_path / "systemd-run").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "systemd-run").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    assert find_scopes(tmp_path) == ()


def test_what_has_no_limit_is_not_named() -> None:
    assert in_scope(("systemd-run", "--scope"), "alloc_1", Limits()) == (
        "systemd-run",
        "--scope",
        "--unit=sro-alloc_1",
        "--property=CPUWeight=100",
        "--",
    )


if BEGIN or not os.environ.get("CI"):

    @pytest.mark.skipif(not BEGIN, reason="systemd makes no scope here, so none was tried")
    def test_a_command_runs_in_a_real_scope() -> None:
        command = in_scope(BEGIN, "alloc_test", Limits(cores=1.0, most_bytes=64 << 20))
        done = subprocess.run(
            [*command, "cat", "/proc/self/cgroup"], capture_output=True, check=True
        )

        assert b"sro-alloc_test.scope" in done.stdout
