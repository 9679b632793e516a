"""Kernel files: held open, and read as they are now."""

import gc
import os
from pathlib import Path

import pytest

from optimizer.machine.kernel_files import KernelFiles

CRYPTO = Path("/proc/crypto")
"""Several pages of the kernel's that stay the same."""


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_file_is_read_as_it_is_now(tmp_path: Path) -> None:
    file = tmp_path / "stat"
    files = KernelFiles()

    for text in (b"one", b"", b"three\n" * 10_000):
        file.write_bytes(text)
        assert files.read(str(file)) == text


@pytest.mark.skipif(not CRYPTO.exists(), reason=f"this kernel has no {CRYPTO}")
def test_the_kernels_own_files_come_whole() -> None:
    files = KernelFiles()

    first, second = (files.read(str(CRYPTO)) for _ in range(2))

    assert len(first) > 4096
    assert first == second == CRYPTO.read_bytes()


def test_a_file_that_is_not_there_is_found_when_it_comes(tmp_path: Path) -> None:
    files = KernelFiles()
    with pytest.raises(FileNotFoundError):
        files.read(str(tmp_path / "late"))

    (tmp_path / "late").write_bytes(b"here")

    assert files.read(str(tmp_path / "late")) == b"here"


def test_a_file_that_was_replaced_is_seen_after_closing(tmp_path: Path) -> None:
    file = tmp_path / "stat"
    file.write_bytes(b"old")
    files = KernelFiles()
    files.read(str(file))
    file.unlink()
    file.write_bytes(b"new")

    files.close()

    assert files.read(str(file)) == b"new"


def test_no_file_stays_open_when_nobody_reads_any_more(tmp_path: Path) -> None:
    (tmp_path / "stat").write_bytes(b"text")
    gc.collect()
    before = _open_files()
    files = KernelFiles()
    files.read(str(tmp_path / "stat"))
    assert _open_files() == before + 1

    del files
    gc.collect()

    assert _open_files() == before
