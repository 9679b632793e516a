"""Commands that share memory: who is held, stopped and ended, from what is seen of them."""

from dataclasses import replace

import pytest

from optimizer.enforcement.sharing import Look, Sharing, words_of

GIB = 2.0**30

LONG = 10
"""Looks, a second apart: more than END_PATIENCE_S from when memory runs short."""

OLD = Look("old", age_s=100, guaranteed=GIB, most=8 * GIB, resident=2 * GIB, held_back=0)
YOUNG = Look("young", age_s=10, guaranteed=GIB, most=8 * GIB, resident=2 * GIB, held_back=0)


def test_while_there_is_plenty_nobody_is_held() -> None:
    relief = Sharing().decide([OLD, YOUNG], capacity=64 * GIB, swap=0, elapsed_s=1)

    assert (relief.highs, relief.park, relief.end) == ({}, (), ())


def test_near_the_end_growth_stops_at_heights_that_fit() -> None:
    relief = Sharing().decide([OLD, YOUNG], capacity=6 * GIB, swap=0, elapsed_s=1)

    assert sum(relief.highs.values()) <= 6 * GIB
    assert all(high >= 2 * GIB for high in relief.highs.values())
    assert (relief.park, relief.end) == ((), ())


def held_up(*, swap: float, most: float = 8 * GIB, held_back: bool = True) -> Sharing:
    """The old one was stopped at its height for longer than anybody waits, the young one burst."""
    sharing = Sharing()
    for second in range(LONG):
        old = replace(
            OLD, resident=(2 + second / 30) * GIB, held_back=second if held_back else None
        )
        young = replace(
            YOUNG, resident=min(5, 2 + second) * GIB, held_back=0 if held_back else None
        )
        sharing.decide([old, young], capacity=7 * GIB, swap=swap, elapsed_s=1)
    return sharing


@pytest.mark.parametrize("held_back", [True, False])
def test_who_is_held_up_long_gets_room_from_the_youngest(held_back: bool) -> None:
    old = replace(OLD, resident=2.4 * GIB, held_back=LONG if held_back else None)
    young = replace(YOUNG, resident=5 * GIB, held_back=0 if held_back else None)

    with_swap = held_up(swap=16 * GIB, held_back=held_back)
    without = held_up(swap=0, held_back=held_back)

    decided = with_swap.decide([old, young], capacity=7 * GIB, swap=16 * GIB, elapsed_s=1)
    assert (decided.park, decided.end) == (("young",), ())
    decided = without.decide([old, young], capacity=7 * GIB, swap=0, elapsed_s=1)
    assert (decided.park, decided.end) == ((), ("young",))
    assert "ends" in words_of(decided)["young"]["end"]


def test_what_was_stopped_goes_on_when_there_is_room() -> None:
    sharing = Sharing()
    sharing.decide([replace(YOUNG, resident=3 * GIB)], capacity=8 * GIB, swap=9 * GIB, elapsed_s=1)
    parked = replace(YOUNG, resident=GIB, parked=True)

    tight = sharing.decide(
        [replace(OLD, resident=6 * GIB), parked], capacity=8 * GIB, swap=9 * GIB, elapsed_s=1
    )
    roomy = sharing.decide([OLD, parked], capacity=8 * GIB, swap=9 * GIB, elapsed_s=1)

    assert tight.resume == ()
    assert roomy.resume == ("young",)
    assert "goes on" in words_of(roomy)["young"]["notice"]


def test_a_high_priority_is_not_the_first_to_make_room() -> None:
    sharing = Sharing()
    for second in range(LONG):
        low = replace(OLD, resident=(2 + second / 4) * GIB, held_back=second)
        high = replace(YOUNG, priority=3, held_back=second)
        relief = sharing.decide([low, high], capacity=5 * GIB, swap=0, elapsed_s=1)

    assert relief.end == ("old",)
