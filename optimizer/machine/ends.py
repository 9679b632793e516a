"""The end of bound processes, heard at once: the kernel tells it through a pidfd.

Source: pidfd_open(2). Where a kernel has none, nothing is heard, and leases end by their time.
"""

import asyncio
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from optimizer.machine.attribution import Binding
from optimizer.machine.processes import ProcessId, identify


@dataclass
class _Watch:
    """The processes of one lease that still run, by the descriptors that tell their end."""

    binding: Binding
    descriptors: set[int] = field(default_factory=set)


class ProcessEnds:
    """Tells when the last of the processes that a lease was bound to has ended.

    Leases that are bound to a control group are not watched: whoever made the group knows its end.

    Args:
        tell: Called on the event loop, once for each binding.
    """

    def __init__(self, tell: Callable[[Binding], None]) -> None:
        self._tell = tell
        self._watches: dict[str, _Watch] = {}

    def watch(self, bindings: Iterable[Binding]) -> None:
        """Listen to these from now on, and to no others; needs the running event loop."""
        wanted = {each.lease: each for each in bindings if each.processes and not each.cgroup}
        for lease, watch in list(self._watches.items()):
            if lease not in wanted or wanted[lease].processes != watch.binding.processes:
                self.forget(lease)
        for lease, binding in wanted.items():
            if lease not in self._watches:
                self._begin(binding)

    def forget(self, lease: str) -> None:
        """Listen to a lease no longer."""
        watch = self._watches.pop(lease, None)
        for descriptor in watch.descriptors if watch else ():
            _close(descriptor)

    def close(self) -> None:
        """Listen to nothing any more."""
        for lease in list(self._watches):
            self.forget(lease)

    def _begin(self, binding: Binding) -> None:
        if not hasattr(os, "pidfd_open"):
            return
        watch = self._watches[binding.lease] = _Watch(binding)
        loop = asyncio.get_running_loop()
        for process in binding.processes:
            try:
                descriptor = _open(process)
            except ProcessLookupError:
                continue
            except OSError:  # a sandbox may forbid it
                self.forget(binding.lease)
                return
            watch.descriptors.add(descriptor)
            loop.add_reader(descriptor, self._hear, watch, descriptor)
        if not watch.descriptors:
            loop.call_soon(self._over, watch)

    def _hear(self, watch: _Watch, descriptor: int) -> None:
        watch.descriptors.discard(descriptor)
        _close(descriptor)
        if not watch.descriptors:
            self._over(watch)

    def _over(self, watch: _Watch) -> None:
        if self._watches.get(watch.binding.lease) is watch:
            del self._watches[watch.binding.lease]
            self._tell(watch.binding)


def _open(process: ProcessId) -> int:
    """A descriptor that becomes readable at the end of this very process.

    Raises:
        ProcessLookupError: It has ended.
        OSError: This process may not have one.
    """
    descriptor = os.pidfd_open(process.pid)
    try:
        same = identify(process.pid) == process
    except ProcessLookupError:
        same = False
    if not same:
        os.close(descriptor)
        raise ProcessLookupError(f"process {process.pid} has ended")
    return descriptor


def _close(descriptor: int) -> None:
    asyncio.get_running_loop().remove_reader(descriptor)
    os.close(descriptor)
