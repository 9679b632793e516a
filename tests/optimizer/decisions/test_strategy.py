from collections.abc import Callable

import pytest

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
        ("emergency", "healthy", "b"),
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
