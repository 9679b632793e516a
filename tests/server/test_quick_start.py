"""A server is ready soon and stays small: what it does not need until it is asked is not loaded."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

from server.quick_start import ARENAS, THRESHOLDS, settle
from tests.serving import NOWHERE, lonely_environment

LAZY = (
    "asyncpg",  # a PostgreSQL store
    "highspy",  # an allocation strategy that needs a solver
    "httpx",  # commands; the SDK brings a client of its own
    "openai",  # a language model
    "opentelemetry.sdk",  # spans that somebody exports
    "pynvml",  # a GPU
    "rich",  # tables for people
    "scipy",
    "sqlalchemy.dialects.postgresql",
    "xllamacpp",
)

STARTED = """
import sys
from server.quick_start import quick_imports, settle
with quick_imports():
    import server.serve
import gc
import anyio
from mcp_types import CallToolResult
from optimizer.orchestrator import SequentialResourceOptimizer
from optimizer.settings import load_settings
from server.app import create_app

async def start():
    app = create_app(SequentialResourceOptimizer(), load_settings())
    async with app.router.lifespan_context(app):
        settle()

waits = not gc.isenabled()
anyio.run(start)
print(waits, gc.isenabled(), gc.get_threshold()[0])
print(CallToolResult(content=[]).model_dump(include={"content"}))
print(*sys.modules)
"""


def test_a_server_that_has_started_has_loaded_nothing_that_it_may_never_need(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STARTED],
        capture_output=True,
        text=True,
        check=True,
        env=lonely_environment(tmp_path, DATABASE_URL="sqlite:///:memory:"),
        cwd=Path(__file__).parents[2],
    )

    collector, answer, modules = done.stdout.splitlines()
    assert collector == f"True True {THRESHOLDS[0]}"
    assert answer == "{'content': []}"
    assert set(LAZY) & set(modules.split()) == set()
    assert {"mcp_types", "optimizer.orchestrator", "server.running"} <= set(modules.split())


ASKED_FOR = """
import sys, threading
from importlib.abc import MetaPathFinder
import anyio
from optimizer.orchestrator import SequentialResourceOptimizer

class Told(MetaPathFinder):
    heard = threading.Event()
    def find_spec(self, name, *_):
        if name == "openai":
            self.heard.set()

async def start():
    async with SequentialResourceOptimizer() as optimizer:
        if len(sys.argv) > 1:
            await optimizer.optimize_resources()
        wait_s = 0 if len(sys.argv) > 1 else 60
        print(await anyio.to_thread.run_sync(Told.heard.wait, wait_s))

sys.meta_path.insert(0, Told())
anyio.run(start)
"""


def test_with_a_model_configured_its_client_is_loaded_before_the_first_question(
    tmp_path: Path,
) -> None:
    assert _hears_of_openai(tmp_path, OPENROUTER_BASE_URL=NOWHERE)


def test_without_one_not_even_a_question_loads_it(tmp_path: Path) -> None:
    assert not _hears_of_openai(tmp_path, "asks", OPENROUTER_MODEL="some/model")


def _hears_of_openai(folder: Path, *arguments: str, **settings: str) -> bool:
    """Whether an optimizer that was started, and perhaps asked something, imports the SDK."""
    done = subprocess.run(
        [sys.executable, "-c", ASKED_FOR, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=lonely_environment(folder, DATABASE_URL="sqlite:///:memory:", **settings),
        cwd=Path(__file__).parents[2],
    )
    return {"True": True, "False": False}[done.stdout.strip()]


def test_the_collector_of_a_process_that_did_not_stop_it_is_left_alone() -> None:
    settle()

    class Model(BaseModel):
        """Built at once: only the SDK's models wait."""

    assert Model.__pydantic_complete__


THREADS = """
import ctypes, threading
from server.quick_start import quick_imports
if {quick}:
    quick_imports().__enter__()
libc, met = ctypes.CDLL(None), threading.Barrier(6)

def work():
    met.wait(20)
    held = bytearray(50_000)
    met.wait(20)
    del held

threads = [threading.Thread(target=work) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="counts arenas of glibc")
def test_threads_of_a_server_share_two_arenas() -> None:
    arenas = {
        quick: subprocess.run(
            [sys.executable, "-c", THREADS.format(quick=quick)],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[2],
        ).stdout.count("<heap nr=")
        for quick in (True, False)
    }

    assert arenas[True] <= ARENAS < arenas[False]
