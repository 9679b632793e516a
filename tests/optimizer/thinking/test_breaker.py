"""The circuit breaker, on a clock of its own."""

from optimizer.thinking.breaker import CircuitBreaker


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_five_failures_in_a_row_open_it_for_thirty_seconds() -> None:
    clock = Clock()
    breaker = CircuitBreaker(timer=clock)
    for _ in range(4):
        breaker.failed()
    assert breaker.admit()

    breaker.failed()

    assert not breaker.admit()
    assert breaker.open_for_s == 30
    clock.now += 29.9
    assert not breaker.admit()


def test_after_the_rest_one_attempt_is_let_through() -> None:
    clock = Clock()
    breaker = CircuitBreaker(failures=1, timer=clock)
    breaker.failed()
    clock.now += 30

    assert [breaker.admit(), breaker.admit()] == [True, False]


def test_a_success_after_the_rest_closes_it_and_a_failure_opens_it_again() -> None:
    clock = Clock()
    breaker = CircuitBreaker(timer=clock)
    breaker.trip(30)
    clock.now += 30
    assert breaker.admit()
    breaker.failed()
    assert not breaker.admit()

    clock.now += 30
    assert breaker.admit()
    breaker.succeeded()

    assert breaker.open_for_s == 0
    assert [breaker.admit(), breaker.admit()] == [True, True]


def test_a_success_forgets_the_failures_before_it() -> None:
    breaker = CircuitBreaker(failures=2)
    breaker.failed()
    breaker.succeeded()
    breaker.failed()

    assert breaker.admit()


def test_an_attempt_that_never_reports_does_not_shut_it_for_good() -> None:
    clock = Clock()
    breaker = CircuitBreaker(failures=1, timer=clock)
    breaker.failed()
    clock.now += 30
    assert breaker.admit()

    clock.now += 30

    assert breaker.admit()
