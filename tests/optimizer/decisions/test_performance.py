import math

import pytest

from optimizer.decisions.performance import erlang_c, improvement, response_time, stretch


def test_with_one_server_a_request_waits_as_often_as_the_server_is_busy() -> None:
    assert erlang_c(1, 0.8) == pytest.approx(0.8)


def test_two_servers_at_eighty_percent_answer_in_2_7778_service_times() -> None:
    assert response_time(2, arrivals_per_s=1.6, service_s=1.0) == pytest.approx(2.7778, abs=5e-5)


@pytest.mark.parametrize(
    ("servers", "offered", "expected"), [(2, 1.0, 1 / 3), (3, 2.0, 4 / 9), (10, 8.0, 0.4092)]
)
def test_erlang_c_agrees_with_published_values(
    servers: int, offered: float, expected: float
) -> None:
    assert erlang_c(servers, offered) == pytest.approx(expected, abs=1e-4)


def test_one_server_agrees_with_the_formula_of_processor_sharing() -> None:
    assert response_time(1, 0.6, 1.0) == pytest.approx(stretch(0.6))


def test_more_work_than_can_be_done_has_no_response_time() -> None:
    assert response_time(2, 2.0, 1.0) == math.inf
    assert stretch(1.0) == math.inf
    assert stretch(0.0) == 1.0


def test_twice_the_cores_at_half_use_shorten_responses_by_a_third() -> None:
    assert improvement(4.0, before=8.0, after=16.0) == pytest.approx(100 / 3)
    assert improvement(4.0, before=8.0, after=8.0) == 0
    assert improvement(8.0, before=8.0, after=16.0) is None
