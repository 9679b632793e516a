from hypothesis import given
from hypothesis import strategies as st

from server.rate_limit import Rate, RateLimiter, retry_after


def test_a_burst_passes_and_the_next_is_told_when() -> None:
    limiter = RateLimiter(Rate(per_second=2, burst=3))

    passed = [limiter.admit("a", now_s=0) for _ in range(4)]

    assert passed == [None, None, None, 0.5]
    assert limiter.admit("a", now_s=0.5) is None


def test_one_principal_does_not_spend_anothers_bucket() -> None:
    limiter = RateLimiter(Rate(per_second=1, burst=1))
    limiter.admit("a", now_s=0)

    assert limiter.admit("a", now_s=0) == 1
    assert limiter.admit("b", now_s=0) is None


def test_a_rate_of_ones_own_goes_before_the_default() -> None:
    limiter = RateLimiter(None)

    assert limiter.admit("free", now_s=0) is None
    assert [limiter.admit("bound", now_s=0, own=Rate(1, 1)) for _ in range(2)] == [None, 1]


@given(gaps=st.lists(st.floats(0, 3), max_size=200), rate=st.floats(0.1, 50))
def test_no_more_passes_than_the_burst_and_the_rate_allow(gaps: list[float], rate: float) -> None:
    limiter = RateLimiter(Rate.of(rate))
    now, passed = 0.0, 0

    for gap in gaps:
        now += gap
        passed += limiter.admit("a", now_s=now) is None

    assert passed <= Rate.of(rate).burst + now * rate + 1e-6


@given(wait_s=st.floats(1e-9, 1e6))
def test_retry_after_is_never_too_early(wait_s: float) -> None:
    assert int(retry_after(wait_s)) >= max(1, wait_s)
