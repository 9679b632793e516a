"""What the forecast recommends and what a plan of the same snapshot does never contradict."""

from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optimizer.decisions.objectives import BUILT_IN
from optimizer.decisions.snapshot import ResourceState, Snapshot
from tests.optimizer.decisions.test_answer import decide

MakeSnapshot = Callable[..., Snapshot]
MakeState = Callable[..., ResourceState]

advice = st.none() | st.sampled_from([-0.5, -0.25, 0.05, 0.25, 0.6])


@settings(
    max_examples=250,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    objective=st.sampled_from([objective.name for objective in BUILT_IN]),
    cpu=st.floats(0.05, 0.95),
    memory=st.floats(0.05, 0.95),
    advised=st.fixed_dictionaries({"cpu": advice, "memory": advice}),
    increase=st.none() | st.sampled_from([0.0, 0.25, 1.0]),
)
def test_nothing_shrinks_that_should_grow_and_what_grows_against_the_advice_says_why(
    make_snapshot: MakeSnapshot,
    make_state: MakeState,
    objective: str,
    cpu: float,
    memory: float,
    advised: dict[str, float | None],
    increase: float | None,
) -> None:
    shares = {"cpu": cpu, "memory": memory}
    states = {
        name: make_state(
            name, share, recommended_change=advised[name], recommended_because="as forecast"
        )
        for name, share in shares.items()
    }
    limits = {} if increase is None else {"max_resource_increase": increase}

    decision = decide(
        make_snapshot(states), {"primary_objective": objective, "constraints": limits}
    )

    moved = {
        step["target"].partition(":")[2]: (step["to_value"] or 0) - (step["from_value"] or 0)
        for step in decision.implementation_plan
        if step["target"] and step["unit"] in ("core", "byte")
    }
    for name, wanted in advised.items():
        change = moved.get(name, 0.0)
        if wanted is None:
            assert change >= 0
        elif wanted > 0:
            assert change >= 0
            assert change > 0 or any(f"{wanted:+.0%} {name}" in text for text in decision.warnings)
        elif change > 0:
            assert any(f"{wanted:+.0%} {name}" in text for text in decision.warnings)
