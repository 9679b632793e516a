"""What recorded calls used, added up by every kind of store."""

from datetime import timedelta

from optimizer.catalog.outcomes import CallOutcome
from optimizer.catalog.spent import Spent
from optimizer.store.engine import Database
from optimizer.store.outcomes import OutcomeKeeper
from tests.optimizer.monitoring.fakes import NOON


async def test_calls_count_as_often_as_they_were_made_and_only_since_then(
    database: Database,
) -> None:
    keeper = OutcomeKeeper(database)
    plain = {"mcp": "git", "outcome": "ok", "at": NOON}
    calls = [
        CallOutcome.model_validate(plain | other)
        for other in (
            {"tokens": 100.0, "usd": 0.5, "n": 3},
            {"tokens": 50.0},
            {"n": 2},
            {"tokens": 9e9, "at": NOON - timedelta(hours=2)},
        )
    ]
    await keeper.record(calls, witness="reported", principal="local")

    assert await keeper.spent_since(NOON - timedelta(hours=1)) == Spent(6, 4, 350.0, 3, 1.5)
    assert await keeper.spent_since(NOON + timedelta(hours=1)) == Spent()
