"""The allocator as a policy of a replay, on runs made here."""

from dataclasses import dataclass, replace

import numpy as np

from optimizer.allocation.replay_policy import ReplayPolicy, make

MACHINE_MB = 2000.0


@dataclass
class Run:
    mem: np.ndarray


@dataclass
class Machine:
    memory_mb: float = MACHINE_MB


@dataclass
class Asking:
    job: int
    last_peak_mb: float = 0.0


@dataclass
class Live:
    job: int
    age_s: int
    resident_mb: float
    stalled_s: int = 0
    parked: bool = False
    swapped_mb: float = 0.0


def policy() -> ReplayPolicy:
    """Learnt from runs that take 200 MB at their start and then stay, but for a little noise."""
    noise = np.random.default_rng(5)
    runs = [Run(np.r_[10.0, 100.0, 150.0, 200.0 + noise.normal(0, 5, 300)]) for _ in range(10)]
    return make(runs, Machine())


def test_runs_are_admitted_until_what_they_will_use_fills_the_machine() -> None:
    asked, live = policy(), []

    while asked.on_arrival(Asking(len(live)), live, now=0) is not None:
        live.append(Live(len(live), age_s=0, resident_mb=10.0))

    assert 8 <= len(live) <= MACHINE_MB / 200


def test_runs_count_with_the_size_that_they_take_a_moment_later() -> None:
    runs = [Run(np.r_[10.0, 10.0, np.full(300, 200.0)]) for _ in range(10)]
    asked, live = make(runs, Machine()), []
    while asked.on_arrival(Asking(len(live)), live, now=0) is not None:
        live.append(Live(len(live), age_s=0, resident_mb=10.0))

    a_second_old = [replace(run, age_s=1) for run in live]

    assert len(live) == MACHINE_MB / 200
    assert asked.on_arrival(Asking(len(live)), a_second_old, now=1) is None


def test_nobody_is_admitted_while_somebody_is_parked() -> None:
    live = [Live(0, 100, 200.0), Live(1, 50, 0.0, parked=True, swapped_mb=200.0)]

    assert policy().on_arrival(Asking(2), live, now=100) is None


def test_the_youngest_is_parked_for_the_oldest() -> None:
    live = [Live(0, 200, 1200.0, stalled_s=2), Live(1, 100, 400.0), Live(2, 50, 399.0)]

    actions = policy().on_sample(live, now=200)

    assert (actions.park, actions.evict) == ([2], [])
    assert sum(lease.high_mb for lease in actions.limits.values()) <= MACHINE_MB - 399


def test_where_parking_frees_nothing_runs_go_on_and_the_youngest_is_ended_later() -> None:
    asked = policy()
    frozen = [
        Live(0, 200, 1200.0, stalled_s=3),
        Live(1, 100, 400.0),
        Live(2, 50, 399.0, parked=True),
    ]
    later = [Live(0, 204, 1200.0, stalled_s=7), Live(1, 104, 400.0), Live(2, 54, 399.0)]

    first, second = asked.on_sample(frozen, now=201), asked.on_sample(later, now=205)

    assert (first.resume, first.evict) == ([2], [])
    assert (second.park, second.evict) == ([], [2])
