"""What `sro doctor` tries: each thing that the optimizer needs here, for real."""

import errno
import os
import shutil
import stat
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal

import anyio
import anyio.to_thread

from optimizer.configured import store_folder
from optimizer.enforcement.groups import find_home
from optimizer.errors import McpServerError, OptimizerError
from optimizer.machine.reader import Machine
from optimizer.monitoring.monitor import PerformanceMonitor
from optimizer.settings import Settings
from optimizer.store.engine import Database
from optimizer.store.migrations import version_of
from optimizer.thinking.scratchpad import scratchpad_at
from server.control import ask
from server.http_door import listen_on

Verdict = Literal["ok", "warn", "fail"]

THINKING = timedelta(seconds=10)
"""How long the thinking server may take to connect and to open a page."""


@dataclass(frozen=True)
class Finding:
    """One thing that was tried.

    Attributes:
        name: What.
        verdict: ok, warn (works, with less) or fail.
        said: What was seen.
        fix: What to do; empty when it is ok.
    """

    name: str
    verdict: Verdict
    said: str
    fix: str = ""

    def as_json(self) -> dict[str, Any]:
        """The same for programs."""
        return asdict(self)


async def examine(settings: Settings, socket_path: str) -> list[Finding]:
    """Try everything; nothing is changed but what opening the store creates.

    Args:
        settings: What is configured.
        socket_path: Where the daemon is, if one runs.
    """
    checks: tuple[tuple[str, Callable[[], Awaitable[Finding]]], ...] = (
        ("language model", lambda: _language_model(settings)),
        ("thinking server", lambda: _thinking(settings)),
        ("store", lambda: _store(settings)),
        ("monitor", lambda: _monitor(settings)),
        ("daemon", lambda: _daemon(socket_path)),
        ("port", lambda: _port(settings, socket_path)),
        ("log", lambda: _log(settings)),
        ("enforcement", _enforcement),
        ("node", lambda: _node(settings)),
    )
    return [await _tried(name, check) for name, check in checks]


async def _tried(name: str, check: Callable[[], Awaitable[Finding]]) -> Finding:
    """One check; what it could not foresee is a failure of that one."""
    try:
        return await check()
    except OptimizerError as error:
        return Finding(name, "fail", str(error), "see the message")
    except OSError as error:
        return Finding(name, "fail", f"{type(error).__name__}: {error}", "see the message")


async def _language_model(settings: Settings) -> Finding:
    if settings.openrouter_api_key is None:
        return Finding(
            "language model",
            "warn",
            "no key; every decision is computed, and no model thinks along",
            "set OPENROUTER_API_KEY if one should",
        )
    return Finding(
        "language model", "ok", f"a key for {settings.openrouter_model} is set (it was not sent)"
    )


async def _thinking(settings: Settings) -> Finding:
    """Connect as a decision does, and open a page."""
    scratchpad = scratchpad_at(settings.sequential_thinking_mcp_endpoint)
    try:
        with anyio.fail_after(THINKING.total_seconds()):
            async with scratchpad.page("doctor", within=THINKING):
                pass
    except (McpServerError, TimeoutError) as error:
        return Finding(
            "thinking server",
            "fail",
            f"{scratchpad.name}: {error or 'no answer in time'}",
            "start it, or leave SEQUENTIAL_THINKING_MCP_ENDPOINT empty for the embedded one",
        )
    finally:
        await scratchpad.close()
    if scratchpad.warnings:
        fix = "see SEQUENTIAL_THINKING_MCP_ENDPOINT in docs/configuration.md"
        return Finding("thinking server", "warn", ", ".join(scratchpad.warnings), fix)
    return Finding("thinking server", "ok", f"{scratchpad.name} answers")


async def _store(settings: Settings) -> Finding:
    database = Database(settings.store_url)
    try:
        schema = await database.write(version_of)
    finally:
        await database.close()
    if database.set_aside is not None:
        return Finding(
            "store",
            "warn",
            f"it was damaged; a new one was begun, the old one is {database.set_aside}",
            "restore a copy of it if you have one",
        )
    return Finding("store", "ok", f"{database.shown_url} is writable, schema {schema}")


async def _monitor(settings: Settings) -> Finding:
    folder = store_folder(settings, Database(settings.store_url).path)
    monitor = PerformanceMonitor(machine=Machine(data_dir=folder))
    sample = await anyio.to_thread.run_sync(monitor.get_current_metrics)
    said = f"cpu {sample.cpu_usage:.0f} %, memory {sample.memory_usage:.0f} %"
    return Finding("monitor", "ok", f"{said} of {sample.cpu_cores:g} cores")


async def _daemon(path: str) -> Finding:
    status = await anyio.to_thread.run_sync(ask, path, "status")
    if status is None:
        return Finding(
            "daemon",
            "warn",
            f"none runs at {path}",
            "nothing: the first stdio host starts one, or `sro serve`",
        )
    about = os.stat(path)
    mode = stat.S_IMODE(about.st_mode)
    said = f"version {status['version']}, pid {status['pid']}, socket {path} (mode {mode:o})"
    if mode & stat.S_IWOTH:
        fix = f"chmod o-w {path}; every user of this machine may connect"
        return Finding("daemon", "warn", said, fix)
    return Finding("daemon", "ok", said)


async def _port(settings: Settings, path: str) -> Finding:
    status = await anyio.to_thread.run_sync(ask, path, "status")
    if status is not None and status.get("http"):
        return Finding("port", "ok", f"the daemon serves {status['http']}")
    try:
        listen_on(settings).close()
    except OptimizerError as error:
        return Finding("port", "fail", str(error), "stop who has it, or set PORT to another")
    return Finding("port", "ok", f"{settings.host}:{settings.port} is free")


async def _log(settings: Settings) -> Finding:
    if not settings.log_file:
        return Finding("log", "ok", "LOG_FILE is empty; logs go to stderr only")
    return await anyio.to_thread.run_sync(_log_file, Path(settings.log_file))


def _log_file(given: Path) -> Finding:
    path = given.absolute()
    nearest = next(folder for folder in (path, *path.parents) if folder.exists())
    if os.access(nearest, os.W_OK):
        return Finding("log", "ok", f"{path} can be written")
    return Finding(
        "log",
        "warn",
        f"{path} cannot be written ({os.strerror(errno.EACCES)} at {nearest}); stderr only",
        "set LOG_FILE to a place that this user may write to, or to nothing",
    )


async def _enforcement() -> Finding:
    """Whether commands can be held to their leases: control groups of our own can be made."""
    home = await anyio.to_thread.run_sync(partial(find_home, owner="doctor"))
    home.leave()
    if not home.reason:
        where = ", ".join(sorted({str(folder.parent) for folder in home.folders.values()}))
        return Finding("enforcement", "ok", f"control groups of version {home.version} in {where}")
    return Finding(
        "enforcement",
        "warn",
        f"no control groups ({home.reason}); `sro run` holds commands with nice and RLIMIT_DATA",
        "run the daemon as root, or in a container whose control groups are writable",
    )


async def _node(settings: Settings) -> Finding:
    node = shutil.which("node")
    if node is not None:
        return Finding("node", "ok", node)
    needed = settings.sequential_thinking_mcp_endpoint.startswith("stdio:")
    return Finding(
        "node",
        "warn" if needed else "ok",
        "not installed; only thinking servers written in JavaScript need it",
        "install Node 20 or later" if needed else "",
    )
