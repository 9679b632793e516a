import pytest

from optimizer.cost_benefit.validation import Strategy, ValidationRequirements
from optimizer.cost_benefit.validation_selection import select_validation

LINT = Strategy(id="lint", cycle_cost_usd=0.001, detection=0.3)
REVIEW = Strategy(id="review", cycle_cost_usd=0.5, detection=0.9, repeats="independent")


def needs(loss: float, **fields: float) -> ValidationRequirements:
    return ValidationRequirements.model_validate(
        {"prior_error": 0.2, "escape_loss_usd": loss, "usd_per_second_waiting": 0} | fields
    )


def test_small_losses_are_validated_cheaply_and_large_ones_well() -> None:
    cheap = select_validation([LINT, REVIEW], needs(1))
    dear = select_validation([LINT, REVIEW], needs(1000))

    assert (cheap["chosen"], dear["chosen"]) == ("lint", "review")
    assert dear["cycles"] is not None
    assert dear["cycles"] >= 2


def test_no_validation_is_worth_it_when_nothing_is_lost() -> None:
    analysis = select_validation([REVIEW], needs(0.01))

    assert analysis["cycles"] == 0


def test_the_choice_flips_where_it_says() -> None:
    analysis = select_validation([LINT, REVIEW], needs(1))
    [flip] = [
        f
        for f in analysis["sensitivity"]
        if (f["input"], f["direction"]) == ("escape_loss_usd", "above")
    ]
    assert flip["value"] is not None

    after = select_validation([LINT, REVIEW], needs(flip["value"] * 1.001))

    assert f"{after['chosen']} with {after['cycles']} cycles" == flip["chosen"]
    before = select_validation([LINT, REVIEW], needs(flip["value"] * 0.999))
    assert (before["chosen"], before["cycles"]) == (analysis["chosen"], analysis["cycles"])


def test_a_strategy_that_lets_too_much_escape_is_rejected() -> None:
    blind = Strategy(id="blind", cycle_cost_usd=0, detection=0)

    analysis = select_validation([blind], needs(1, max_escaped=0.1))

    assert analysis["chosen"] is None
    assert "max_escaped" in analysis["rationale"]


def test_the_order_of_strategies_changes_nothing() -> None:
    assert select_validation([LINT, REVIEW], needs(5)) == select_validation(
        [REVIEW, LINT], needs(5)
    )


def test_the_parts_add_up() -> None:
    [option] = select_validation([REVIEW], needs(100))["options"]

    assert option["expected_cost_usd"] == pytest.approx(
        (option["validation_usd"] or 0) + (option["expected_loss_usd"] or 0), rel=1e-5
    )


def test_a_strategy_that_another_beats_in_everything_names_it() -> None:
    worse = Strategy(id="worse", cycle_cost_usd=0.6, detection=0.8, repeats="independent")

    options = select_validation([LINT, REVIEW, worse], needs(100))["options"]

    assert {option["id"]: option["dominated_by"] for option in options} == {
        "lint": None,
        "review": None,
        "worse": "review",
    }
