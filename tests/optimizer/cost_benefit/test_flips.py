import pytest

from optimizer.cost_benefit.flips import nearest_flips


def sides(x: float) -> str:
    return "left" if x < 2 else "middle" if x < 30 else "right"


def test_the_nearest_flips_are_found_on_both_sides() -> None:
    below, above = nearest_flips("loss", "USD", 10, sides, most=1e9)

    assert (below["chosen"], above["chosen"]) == ("left", "right")
    assert below["value"] == pytest.approx(2, rel=1e-5)
    assert above["value"] == pytest.approx(30, rel=1e-5)
    assert above["statement"] == "right wins if loss is above 30 USD"


def test_a_choice_that_stands_has_no_flips() -> None:
    assert nearest_flips("loss", "USD", 10, lambda _: "same", most=1e9) == []


def test_nothing_beyond_the_largest_sensible_value_is_looked_at() -> None:
    assert [f["direction"] for f in nearest_flips("share", "", 10, sides, most=20)] == ["below"]


def test_an_input_of_zero_has_no_ratio_to_vary() -> None:
    assert nearest_flips("loss", "USD", 0, sides, most=1e9) == []
