"""The state of this room: the snapshot of now, and what was computed from it for all who ask."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass

import anyio
import anyio.to_thread

from optimizer.decisions.draft import Draft
from optimizer.decisions.job import NO_JOB, Job
from optimizer.decisions.levels import Rules
from optimizer.decisions.pareto_front import Front, build_front
from optimizer.decisions.request import Scope
from optimizer.decisions.snapshot import Snapshot
from optimizer.shared import Shared

MOST_KEPT = 64
"""Fronts, and drafts, kept at once: of one snapshot few levels, scopes and limits are asked for."""


@dataclass(frozen=True)
class Frame:
    """A snapshot and what tells it from others.

    Attributes:
        snapshot: The snapshot.
        digest: SHA-256 of it as JSON.
        text: It as JSON, made once for all decisions that start from it.
    """

    snapshot: Snapshot
    digest: str
    text: str


def frame_of(snapshot: Snapshot) -> Frame:
    """A snapshot with its digest."""
    text = snapshot.model_dump_json()
    return Frame(snapshot, hashlib.sha256(text.encode()).hexdigest(), text)


class Fronts:
    """Makes one snapshot for each state of the monitor, and each front and draft of it once.

    Callers that come while something is made wait for it and share it. Fronts are built on a worker
    thread.

    Args:
        rules: Levels to consider.
    """

    def __init__(self, rules: Rules | None = None) -> None:
        self.rules = rules or Rules()
        self._frames = Shared(kinds=1)
        self._drafts = Shared(kinds=MOST_KEPT)
        self._fronts: OrderedDict[Hashable, Front] = OrderedDict()
        self._build_turn = anyio.Lock()
        self._building = threading.Lock()

    async def frame(self, key: Hashable, observe: Callable[[], Awaitable[Snapshot]]) -> Frame:
        """The snapshot of a state.

        Args:
            key: Tells the state from others, for example the monitor's version.
            observe: Makes the snapshot.
        """

        async def make() -> Frame:
            return frame_of(await observe())

        return await self._frames.answer("frame", key, make)

    def forget(self) -> None:
        """Look anew at the next request: something that the monitor does not see has changed."""
        self._frames.forget("frame")

    async def draft(
        self, frame: Frame, asked: Hashable, make: Callable[[], Awaitable[Draft]]
    ) -> Draft:
        """What everybody is answered who asks the same.

        Args:
            frame: What they start from.
            asked: Tells one question from another.
            make: Works it out.
        """
        return await self._drafts.answer(asked, frame.digest, make)

    async def ready(
        self,
        frame: Frame,
        scope: Scope,
        *,
        max_increase: float | None,
        movable: frozenset[str] | None,
        job: Job = NO_JOB,
    ) -> Front:
        """A front, without holding up the event loop while it is built."""
        key = self._key(frame, scope, max_increase, movable, job)
        if key not in self._fronts:
            async with self._build_turn:
                await anyio.to_thread.run_sync(self.build, frame, scope, max_increase, movable, job)
        return self.build(frame, scope, max_increase, movable, job)

    def build(
        self,
        frame: Frame,
        scope: Scope,
        max_increase: float | None,
        movable: frozenset[str] | None,
        job: Job = NO_JOB,
    ) -> Front:
        """A front, built on this thread when it is not there yet."""
        key = self._key(frame, scope, max_increase, movable, job)
        with self._building:
            front = self._fronts.get(key)
            if front is None:
                front = build_front(
                    frame.snapshot,
                    scope,
                    rules=self.rules,
                    max_increase=max_increase,
                    movable=movable,
                    job=job,
                )
                self._fronts[key] = front
                if len(self._fronts) > MOST_KEPT:
                    self._fronts.popitem(last=False)
            return front

    def _key(
        self,
        frame: Frame,
        scope: Scope,
        max_increase: float | None,
        movable: frozenset[str] | None,
        job: Job,
    ) -> Hashable:
        """Fronts with the same largest level are the same front."""
        reach = max(self.rules.multipliers, default=1.0)
        if max_increase is not None:
            within = [level for level in self.rules.multipliers if level <= 1 + max_increase + 1e-9]
            reach = max(within, default=1.0)
        of_job = None if job is NO_JOB else job.model_dump_json()
        return frame.digest, scope, reach, movable, of_job
