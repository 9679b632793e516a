"""News of resources: what happened in the optimizer, told to those who listen.

Clients of 2026-07-28 open a listen stream; those of the handshake eras subscribe to an address on a
connection that lasts, which only stdio has.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import mcp_types as types
from mcp.server import ServerRequestContext
from mcp.server.session import ServerSession
from mcp.server.subscriptions import InMemorySubscriptionBus, ResourceUpdated, ServerEvent

from optimizer.events import AlertChanged, DecisionMade, Event, EventBus, LeaseChanged, SampleTaken
from server.resources import ALERTS, CURRENT, POOLS, RECENT, decision_uri


def changed_by(event: Event) -> tuple[str, ...]:
    """Addresses of the resources that an event changes."""
    if isinstance(event, SampleTaken):
        return (CURRENT,)
    if isinstance(event, AlertChanged):
        return (ALERTS, CURRENT)
    if isinstance(event, LeaseChanged):
        return (POOLS, CURRENT)
    if isinstance(event, DecisionMade):
        return (RECENT, decision_uri(event.decision_id))
    return ()


class ListenBus(InMemorySubscriptionBus):
    """The SDK's bus, which knows whether any listen stream is open."""

    def __init__(self) -> None:
        super().__init__()
        self._open: set[object] = set()

    @property
    def is_heard(self) -> bool:
        """Whether anybody listens."""
        return bool(self._open)

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        """Open a stream; the answer closes it again."""
        stream, leave = object(), super().subscribe(listener)
        self._open.add(stream)

        def unsubscribe() -> None:
            self._open.discard(stream)
            leave()

        return unsubscribe


@dataclass(eq=False)
class Subscriber:
    """One lasting connection and the addresses that it subscribed to."""

    sessions: dict[str, ServerSession] = field(default_factory=dict)

    async def tell(self, uri: str) -> None:
        """Send a notice to a client that subscribed; one that has gone is forgotten."""
        session = self.sessions.get(uri)
        if session is None:
            return
        try:
            await session.send_resource_updated(uri)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            self.sessions.clear()


class Notices:
    """Carries events of the optimizer to MCP clients.

    Events may be published on any thread. Those that come before the last ones were told are told
    once: a notice says "read it again", not what changed. While nobody listens, nothing is done.

    Args:
        events: Where the optimizer publishes.
    """

    def __init__(self, events: EventBus) -> None:
        self.bus = ListenBus()
        self._events = events
        self._pending: dict[str, None] = {}
        self._lock = threading.Lock()
        self._subscribers: set[Subscriber] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Tell news while the block runs."""
        loop = asyncio.get_running_loop()
        woken = anyio.Event()

        def wake() -> None:
            woken.set()

        def hear(event: Event) -> None:
            if not self._is_heard():
                return
            uris = changed_by(event)
            with self._lock:
                first = not self._pending
                self._pending.update(dict.fromkeys(uris))
            if uris and first and not loop.is_closed():
                loop.call_soon_threadsafe(wake)

        async def tell() -> None:
            nonlocal woken
            while True:
                await woken.wait()
                woken = anyio.Event()
                for uri in self._take():
                    await self._tell(uri)

        unsubscribe = self._events.subscribe(hear)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(tell)
                yield
                tasks.cancel_scope.cancel()
        finally:
            unsubscribe()

    def _is_heard(self) -> bool:
        subscribers = tuple(self._subscribers)  # others may come meanwhile
        return self.bus.is_heard or any(subscriber.sessions for subscriber in subscribers)

    def _take(self) -> tuple[str, ...]:
        with self._lock:
            uris, self._pending = tuple(self._pending), {}
        return uris

    async def _tell(self, uri: str) -> None:
        await self.bus.publish(ResourceUpdated(uri=uri))
        for subscriber in tuple(self._subscribers):
            await subscriber.tell(uri)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Subscriber]:
        """Hold what one lasting connection subscribes to until it ends."""
        subscriber = Subscriber()
        self._subscribers.add(subscriber)
        try:
            yield subscriber
        finally:
            self._subscribers.discard(subscriber)


async def subscribe(
    ctx: ServerRequestContext[Subscriber, Any], params: types.SubscribeRequestParams
) -> types.EmptyResult:
    """Answer resources/subscribe of a lasting connection."""
    ctx.lifespan_context.sessions[params.uri] = ctx.session
    return types.EmptyResult()


async def unsubscribe(
    ctx: ServerRequestContext[Subscriber, Any], params: types.UnsubscribeRequestParams
) -> types.EmptyResult:
    """Answer resources/unsubscribe."""
    ctx.lifespan_context.sessions.pop(params.uri, None)
    return types.EmptyResult()
