"""Who asks over REST and goes leaves no work behind that waits, or that costs money."""

import json
from typing import Any

import anyio
import pytest
from starlette.types import Message

from optimizer.allocation.lease import AllocationRequest
from optimizer.decisions.request import OptimizationRequest
from optimizer.settings import Settings
from server.app import create_app
from server.awaited import may_last
from tests.doors.fakes import FakeOptimizer


class Full(FakeOptimizer):
    """Has room for nobody; says who waits, and who gave up."""

    def __init__(self) -> None:
        super().__init__()
        self.waits, self.gave_up = anyio.Event(), anyio.Event()

    async def allocate(self, request: Any, **_: Any) -> Any:
        self.waits.set()
        try:
            await anyio.sleep_forever()
        finally:
            self.gave_up.set()


async def test_a_client_that_goes_is_waited_for_no_longer() -> None:
    optimizer = Full()
    body = json.dumps({"resources": {"cpu": "1 core"}, "wait_s": 45}).encode()
    parts = iter([{"type": "http.request", "body": body}])

    async def receive() -> Message:
        for part in parts:
            return part
        await optimizer.waits.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None: ...

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/allocate",
        "raw_path": b"/api/v1/allocate",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1),
    }
    app = create_app(optimizer, Settings())
    async with app.router.lifespan_context(app):
        with anyio.fail_after(60):
            await app(scope, receive, send)

    assert optimizer.gave_up.is_set()


@pytest.mark.parametrize(
    ("asked", "lasts"),
    [
        (OptimizationRequest(), True),
        (OptimizationRequest(thinking="off"), False),
        (OptimizationRequest(thinking="client"), False),
        (AllocationRequest(resources={"cpu": "1 core"}, wait_s=5), True),
        (AllocationRequest(resources={"cpu": "1 core"}), False),
    ],
)
def test_only_what_may_last_is_watched(
    asked: OptimizationRequest | AllocationRequest, lasts: bool
) -> None:
    assert may_last(asked) is lasts
