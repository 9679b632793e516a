"""One sampler a store."""

from pathlib import Path

from optimizer.monitoring.sampler_lock import SamplerLock


def test_only_one_holds_the_lock_and_the_next_gets_it_after_release(tmp_path: Path) -> None:
    one, other = SamplerLock(tmp_path / "lock"), SamplerLock(tmp_path / "lock")

    assert one.acquire()
    assert one.acquire()
    assert not other.acquire()
    assert (one.is_held, other.is_held) == (True, False)

    one.release()

    assert other.acquire()
    other.release()
    other.release()


def test_in_memory_nobody_else_can_write() -> None:
    assert SamplerLock(None).acquire()
