"""What an agent is shown of a decision: short, each reason once, nothing rounded into a lie."""

from optimizer.allocation.pool import NO_LIMIT
from optimizer.decisions.decision import Conflict, Relaxation
from optimizer.decisions.request import OptimizationRequest
from optimizer.operations.health import HealthRequest
from server.views import decision as view_of
from server.views import health
from tests.doors.nouns import DECISION

ASKED = OptimizationRequest()


def test_an_infeasible_decision_says_its_reason_once() -> None:
    reason = "no choice holds the limits; see conflict"
    nothing = dict.fromkeys(("estimated_cost", "cost_delta", "reliability"), None)
    infeasible = DECISION.model_copy(update={**nothing, "unknown": dict.fromkeys(nothing, reason)})

    shown = view_of(infeasible, ASKED, "brief")

    assert shown["unknown"] == {"estimated_cost, cost_delta, reliability": reason}
    assert nothing.items() <= shown.items()
    assert view_of(infeasible, ASKED, "full")["unknown"] == dict.fromkeys(nothing, reason)


def test_a_limit_that_is_enough_is_not_rounded_to_one_that_is_not() -> None:
    way = Relaxation(name="max_cost", limit=1, needed=142.0437, unit="USD/month", description="")
    conflict = Conflict(irreducible_set=("max_cost",), relaxations=(way,))

    shown = view_of(DECISION.model_copy(update={"conflict": conflict}), ASKED, "brief")

    assert shown["conflict"]["relaxations"][0]["needed"] == 142.0437


def test_what_is_nearly_certain_is_not_said_to_be_certain() -> None:
    shown = view_of(DECISION.model_copy(update={"reliability": 0.9999812}), ASKED, "brief")

    assert shown["reliability"] == 0.999981


def test_a_brief_decision_says_who_chose_and_what_that_cost() -> None:
    asked_a_model = DECISION.reasoning.model_copy(
        update={
            "path": "solver_overrode_llm",
            "model": "m",
            "tokens": 700,
            "agrees_with_solver": False,
        }
    )

    shown = view_of(DECISION.model_copy(update={"reasoning": asked_a_model}), ASKED, "brief")

    assert shown["reasoning"]["path"] == "solver_overrode_llm"
    assert shown["reasoning"]["tokens"] == 700
    assert shown["reasoning"]["agrees_with_solver"] is False
    assert shown["reasoning"]["thoughts"] == len(asked_a_model.thoughts)


def test_pools_without_a_limit_of_which_nothing_is_out_share_one_line() -> None:
    summaries = {"cpu": "1 core free of 2 cores", "usd": NO_LIMIT, "mcp_tokens": NO_LIMIT}
    used = {"api_calls": f"{NO_LIMIT}, 3 calls leased or spent"}
    free = {name: {"summary": said} for name, said in (summaries | used).items()}
    report = {"free": free, "unknown": {}, "issues": [], "warnings": []}

    assert health(report, HealthRequest(), "brief")["free"] == {
        "cpu": "1 core free of 2 cores",
        **used,
        NO_LIMIT: "usd, mcp_tokens",
    }
