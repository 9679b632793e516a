from collections.abc import Callable

import pytest

from optimizer.decisions.objectives import ALIAS_MEANINGS, ALIASES
from optimizer.decisions.snapshot import Snapshot
from optimizer.decisions.strategy import Strategies, meant_objective

MakeSnapshot = Callable[..., Snapshot]
CONFIGURED = Strategies(default="a", emergency="b", cost_conscious="c")


@pytest.mark.parametrize(
    ("asked", "health", "meant"),
    [
        (None, "healthy", "a"),
        (None, "degraded", "a"),
        (None, "critical", "b"),
        ("green_first", "critical", "green_first"),
        ("default", "critical", "a"),
        ("emergency", "healthy", "emergency"),
        ("cost_conscious", "healthy", "c"),
        ("time_critical", "healthy", "performance_maximization"),
    ],
)
def test_the_objective_is_the_one_asked_for_else_the_configured_one(
    make_snapshot: MakeSnapshot, asked: str | None, health: str, meant: str
) -> None:
    assert meant_objective(asked, make_snapshot(health=health), CONFIGURED).name == meant


def test_an_emergency_names_its_issues(make_snapshot: MakeSnapshot) -> None:
    snapshot = make_snapshot(health="critical", issues=("high_cpu_usage",))

    assert "high_cpu_usage" in meant_objective(None, snapshot, CONFIGURED).because


def test_a_neighbours_name_is_told_with_what_it_is_taken_to_mean(
    make_snapshot: MakeSnapshot,
) -> None:
    because = meant_objective("quality_priority", make_snapshot(), CONFIGURED).because

    assert because.startswith("quality_priority means reliability_optimization here: the least")
    assert ALIASES.keys() == ALIAS_MEANINGS.keys()
