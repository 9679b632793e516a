"""A start in less time: what a server process does differently until it is ready."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import BaseModel, ConfigDict

THRESHOLDS = (20_000, 20, 20)
"""New objects before the collector looks at the new ones, such looks before it looks at those that
outlived one, and such before it looks at all. Python's own 700, 10 and 10 are of its first years:
two thousand requests at once are a hundred thousand objects that all are still needed, and looking
at them took as long as answering them."""


@contextmanager
def quick_imports() -> Iterator[None]:
    """Import the doors inside, for a process that serves and does nothing else.

    The collector waits until `settle`: it would walk what the imports made again and again, and
    nearly nothing of it is garbage. The models of the MCP SDK, several hundred for all eras of the
    protocol, are built when a message first needs one.
    """
    gc.disable()
    config = BaseModel.model_config
    BaseModel.model_config = ConfigDict(defer_build=True)
    try:
        import mcp_types.methods  # noqa: F401
    finally:
        BaseModel.model_config = config
    yield


def settle() -> None:
    """Let the collector run from now on, and leave what the start made out of its walks."""
    if not gc.isenabled():
        gc.set_threshold(*THRESHOLDS)
        gc.freeze()
        gc.enable()
