"""A server is ready soon and stays small: what it does not need until it is asked is not loaded."""

import subprocess
import sys
from pathlib import Path

from pydantic import BaseModel

from server.quick_start import THRESHOLDS, settle
from tests.serving import lonely_environment

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


def test_the_collector_of_a_process_that_did_not_stop_it_is_left_alone() -> None:
    settle()

    class Model(BaseModel):
        """Built at once: only the SDK's models wait."""

    assert Model.__pydantic_complete__
