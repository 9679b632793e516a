"""Who may grow, who is parked and who is ended."""

from dataclasses import replace
from math import inf
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from optimizer.allocation.pressure import LiveLease, Relief, relieve

MIB = 2.0**20
CAPACITY = 4096 * MIB

sizes = st.floats(0, 3000 * MIB)


@st.composite
def machines(draw: st.DrawFn) -> tuple[LiveLease, ...]:
    """Leases whose guaranteed parts fit in CAPACITY."""
    left, leases = CAPACITY, []
    for number in range(draw(st.integers(0, 12))):
        guaranteed = min(left, draw(sizes))
        left -= guaranteed
        most = guaranteed + draw(sizes)
        is_parked = draw(st.booleans())
        leases.append(
            LiveLease(
                f"lease-{number}",
                age_s=draw(st.integers(0, 1000)),
                guaranteed=guaranteed,
                most=most,
                resident=min(most, draw(sizes)),
                stalled_s=0 if is_parked else draw(st.integers(0, 5)),
                priority=draw(st.integers(0, 2)),
                parked=is_parked,
                swapped=draw(sizes) if is_parked else 0,
                soon=draw(sizes),
            )
        )
    return tuple(leases)


def decide(*leases: LiveLease, headroom: float = 100 * MIB, swap: float = inf) -> Relief:
    return relieve(
        leases, capacity=CAPACITY, headroom=headroom, reserve=200 * MIB, swap=swap, patience_s=2
    )


def young(resident: float, **changes: Any) -> LiveLease:
    lease = LiveLease("young", 10, guaranteed=0, most=CAPACITY, resident=resident * MIB)
    return replace(lease, **changes)


def old(resident: float, **changes: Any) -> LiveLease:
    lease = LiveLease("old", 900, guaranteed=0, most=CAPACITY, resident=resident * MIB)
    return replace(lease, **changes)


@given(machines())
def test_the_sum_of_highs_and_of_what_parked_leases_hold_is_within_capacity(
    leases: tuple[LiveLease, ...],
) -> None:
    relief = decide(*leases)
    running = relief.highs.keys()
    parked = [lease for lease in leases if lease.parked and lease.allocation_id not in running]
    kept = sum(min(lease.resident, lease.guaranteed) for lease in parked)

    assert sum(relief.highs.values()) + kept <= CAPACITY * (1 + 1e-9)


@given(machines())
def test_no_high_is_below_what_is_guaranteed_or_above_the_range(
    leases: tuple[LiveLease, ...],
) -> None:
    relief = decide(*leases)

    for lease in leases:
        high = relief.highs.get(lease.allocation_id, lease.guaranteed)
        assert lease.guaranteed * (1 - 1e-9) <= high <= lease.most * (1 + 1e-9)


@given(machines(), st.sampled_from([0.0, 500 * MIB, inf]))
def test_who_stays_inside_what_is_guaranteed_is_neither_parked_nor_ended(
    leases: tuple[LiveLease, ...], swap: float
) -> None:
    relief = decide(*leases, swap=swap)

    for lease in leases:
        if lease.resident <= lease.guaranteed:
            assert lease.allocation_id not in (*relief.park, *relief.end)


@given(machines())
def test_nobody_is_ended_while_there_is_swap(leases: tuple[LiveLease, ...]) -> None:
    assert decide(*leases).end == ()


@given(machines())
def test_every_lease_has_one_lot(leases: tuple[LiveLease, ...]) -> None:
    relief = decide(*leases)
    named = [*relief.park, *relief.end, *relief.highs]

    assert len(set(named)) == len(named)
    assert {lease.allocation_id for lease in leases if not lease.parked} <= set(named)
    assert {lease.allocation_id for lease in leases if lease.parked} >= set(relief.resume)
    assert set(relief.resume) <= set(relief.highs)


@given(machines())
def test_relief_does_not_depend_on_the_order_of_the_leases(
    leases: tuple[LiveLease, ...],
) -> None:
    assert decide(*leases) == decide(*reversed(leases))


def test_growth_is_throttled_before_anybody_is_parked() -> None:
    relief = decide(old(2000, stalled_s=1), young(2050))

    assert relief.park == relief.end == ()
    assert relief.highs["old"] - 2000 * MIB > relief.highs["young"] - 2050 * MIB


def test_the_youngest_is_parked_for_who_is_held_up_too_long() -> None:
    middle = LiveLease("middle", 100, guaranteed=0, most=CAPACITY, resident=300 * MIB)

    relief = decide(old(3000, stalled_s=2), middle, young(750))

    assert relief.park == ("young",)
    assert relief.end == ()


def test_a_lower_priority_is_parked_before_a_younger_lease() -> None:
    relief = decide(old(2000, stalled_s=2, priority=1), young(1000, priority=1), _low(1090))

    assert relief.park == ("low",)


def test_as_many_are_parked_as_the_next_seconds_need() -> None:
    relief = decide(old(3000, stalled_s=2), young(500), _low(590), headroom=800 * MIB)

    assert relief.park == ("low", "young")


def test_without_swap_the_youngest_is_ended_after_a_longer_wait_and_only_one_a_second() -> None:
    others = young(500), _low(590)

    soon = decide(old(3000, stalled_s=2), *others, headroom=800 * MIB, swap=0)
    late = decide(old(3000, stalled_s=5), *others, headroom=800 * MIB, swap=0)

    assert (soon.park, soon.end) == ((), ())
    assert (late.park, late.end) == ((), ("low",))


def test_without_swap_nobody_stays_parked() -> None:
    frozen = young(500, parked=True)

    assert decide(old(3500, stalled_s=2), frozen, swap=0).resume == ("young",)


def test_who_is_at_the_end_of_its_own_range_presses_nobody() -> None:
    full = old(2000, stalled_s=60, most=2000 * MIB)

    assert decide(full, young(2090)).park == ()


def test_a_parked_lease_comes_back_when_it_fits_with_the_reserve() -> None:
    parked = young(0, parked=True, swapped=900 * MIB)

    assert decide(old(3100), parked).resume == ()
    back = decide(old(2900), parked)
    assert back.resume == ("young",)
    assert back.highs["young"] >= 900 * MIB


def test_a_parked_lease_that_is_alone_comes_back_whatever_it_needs() -> None:
    assert decide(young(0, parked=True, swapped=4090 * MIB)).resume == ("young",)


def _low(resident: float) -> LiveLease:
    return LiveLease("low", 20, guaranteed=0, most=CAPACITY, resident=resident * MIB, priority=-1)
