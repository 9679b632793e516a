from optimizer.allocation.line import AGEING_S, WaitingLine

CPU = frozenset({"cpu"})
MEMORY = frozenset({"memory"})


def test_who_came_first_stands_first() -> None:
    line = WaitingLine()
    first, second = (line.ticket(CPU, "normal", now=0.0) for _ in range(2))
    line.join(second)
    line.join(first)

    assert (line.ahead_of(first), line.ahead_of(second)) == (0, 1)


def test_priority_goes_before_arrival() -> None:
    line = WaitingLine()
    batch = line.ticket(CPU, "low", now=0.0)
    line.join(batch)
    urgent = line.ticket(CPU, "critical", now=1.0)

    assert line.ahead_of(urgent) == 0
    line.join(urgent)
    assert line.ahead_of(batch) == 1


def test_waiting_is_worth_priority_so_nobody_starves() -> None:
    line = WaitingLine()
    low = line.ticket(CPU, "low", now=0.0)
    line.join(low)

    late = line.ticket(CPU, "critical", now=3 * AGEING_S + 0.1)

    assert line.ahead_of(late) == 1


def test_who_waits_for_something_else_is_not_in_the_way() -> None:
    line = WaitingLine()
    line.join(line.ticket(MEMORY, "critical", now=0.0))

    assert line.ahead_of(line.ticket(CPU, "low", now=5.0)) == 0


def test_only_those_are_called_who_have_nobody_before_them() -> None:
    line = WaitingLine()
    first = line.ticket(CPU, "normal", now=0.0)
    behind = line.ticket(CPU | MEMORY, "normal", now=1.0)
    further_behind = line.ticket(MEMORY, "normal", now=2.0)
    for waiter in (first, behind, further_behind):
        line.join(waiter)

    line.call()

    assert [w.called.is_set() for w in (first, behind, further_behind)] == [True, False, False]


def test_who_leaves_lets_the_next_try() -> None:
    line = WaitingLine()
    first, second = (line.ticket(CPU, "normal", now=float(n)) for n in range(2))
    line.join(first)
    line.join(second)

    line.leave(first)

    assert second.called.is_set()
    assert len(line) == 1


def test_of_two_of_one_priority_who_holds_less_goes_first_and_ageing_still_wins() -> None:
    line = WaitingLine()
    rich = line.ticket({"cpu"}, "normal", now=0.0, share=0.9)
    poor = line.ticket({"cpu"}, "normal", now=1.0, share=0.1)
    late = line.ticket({"cpu"}, "normal", now=AGEING_S + 1, share=0.0)

    assert poor < rich < late
