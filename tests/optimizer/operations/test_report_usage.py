from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from optimizer.catalog.outcomes import CallOutcome, Witness
from optimizer.errors import ForbiddenError
from optimizer.identity import LOCAL, Principal
from optimizer.operations.report_usage import ReportUsageRequest, report_usage

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


class RememberingKeeper:
    def __init__(self) -> None:
        self.calls: list[CallOutcome] = []

    async def record(
        self, calls: Sequence[CallOutcome], *, witness: Witness, principal: str
    ) -> dict[str, int]:
        self.calls.extend(calls)
        return {call.mcp: 1 for call in calls}


def request(**call: object) -> ReportUsageRequest:
    return ReportUsageRequest.model_validate({"calls": [{"mcp": "time", "outcome": "ok"} | call]})


async def test_reported_calls_are_recorded_with_their_time() -> None:
    keeper = RememberingKeeper()

    answer = await report_usage(
        request(n=3, latency_ms=4), outcomes=keeper, clock=lambda: NOON, principal=LOCAL
    )

    assert answer["recorded"] == 3
    assert keeper.calls == [CallOutcome(mcp="time", outcome="ok", n=3, latency_ms=4, at=NOON)]


async def test_a_reader_may_not_report() -> None:
    keeper = RememberingKeeper()
    reader = Principal("token:ro", role="reader")

    with pytest.raises(ForbiddenError):
        await report_usage(request(), outcomes=keeper, clock=lambda: NOON, principal=reader)

    assert keeper.calls == []


@pytest.mark.parametrize(
    "call",
    [
        {"outcome": "exploded"},
        {"latency_ms": -1},
        {"latency_ms": float("nan")},
        {"usd": float("inf")},
        {"n": 0},
        {"n": 10**9},
        {"duration": 4},
        {"mcp": ""},
    ],
)
def test_a_bad_report_is_refused(call: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        request(**call)
