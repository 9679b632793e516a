"""A call that hangs is given up before the host gives us up."""

import anyio
import pytest

from optimizer.errors import DependencyError
from optimizer.identity import LOCAL
from server.operation import perform
from server.operations import BY_NAME
from tests.doors.fakes import FakeOptimizer


class Hanging(FakeOptimizer):
    async def optimize_resources(self, request: object, **_: object) -> None:
        await anyio.sleep_forever()


class Impatient(FakeOptimizer):
    async def optimize_resources(self, request: object, **_: object) -> None:
        raise TimeoutError


async def test_a_call_that_hangs_is_given_up_with_a_reason() -> None:
    optimizer = Hanging()
    operation = BY_NAME["optimize_resources"]

    with anyio.fail_after(60), pytest.raises(DependencyError, match="given up"):
        await perform(operation, operation.parse({}), optimizer, principal=LOCAL, deadline_s=0.01)

    assert optimizer.workload.heard == [False]


async def test_a_timeout_of_the_operation_itself_is_not_taken_for_the_deadline() -> None:
    operation = BY_NAME["optimize_resources"]

    with pytest.raises(TimeoutError):
        await perform(operation, operation.parse({}), Impatient(), principal=LOCAL)
