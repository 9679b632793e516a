"""A start in less time: what a server process does differently until it is ready."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import BaseModel, ConfigDict


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
        gc.freeze()
        gc.enable()
