"""Every Python block of the reference document, as written, with its obvious surroundings."""

import logging
from collections import deque
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit, urlunsplit

import pytest
import requests
from requests.adapters import HTTPAdapter

from sequential_resource_optimization import SequentialResourceOptimizer
from tests.documented.blocks import Block, code_blocks, run_block, run_script

REFERENCE = Path(__file__).with_name("reference.md")

BLOCKS = {(block.heading, block.source.splitlines()[0]): block for block in code_blocks(REFERENCE)}


def block(heading: str, first_line: str | None = None) -> Block:
    """The block below a heading; some headings have one only."""
    [found] = [
        block
        for (above, begins), block in BLOCKS.items()
        if above == heading and first_line in (None, begins)
    ]
    return found


@pytest.fixture(autouse=True)
def lonely(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A data directory of its own, no network, and no key in the environment."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setenv("OPENROUTER_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.delenv("OPENROUTER_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def port_8000(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the documents call http://localhost:8000 is the server of these tests."""
    host = urlsplit(server).netloc
    send = HTTPAdapter.send

    def send_there(self: HTTPAdapter, request: requests.PreparedRequest, **more: Any) -> Any:
        parts = urlsplit(str(request.url))
        if parts.netloc == "localhost:8000":
            request.url = urlunsplit(parts._replace(netloc=host))
        return send(self, request, **more)

    monkeypatch.setattr(HTTPAdapter, "send", send_there)


@pytest.fixture
async def optimizer() -> Any:
    """What the shorter blocks take as given."""
    optimizer = SequentialResourceOptimizer()
    await optimizer.start_performance_monitoring()
    yield optimizer
    await optimizer.stop_performance_monitoring()


def test_basic_optimization(capsys: pytest.CaptureFixture[str]) -> None:
    run_script(block("Basic Optimization"), {})

    said = capsys.readouterr().out
    assert "Optimization completed: " in said
    assert "Strategy: balanced_optimization" in said


@pytest.mark.usefixtures("port_8000")
def test_api_usage_with_http_requests(capsys: pytest.CaptureFixture[str]) -> None:
    names = run_script(block("API Usage with HTTP Requests"), {})

    assert "Strategy: cost_minimization" in capsys.readouterr().out
    assert names["health"]["status"] in ("healthy", "degraded", "critical", "unknown")


async def test_custom_optimization_strategy(capsys: pytest.CaptureFixture[str]) -> None:
    names = await run_block(
        block("Custom Optimization Strategy"),
        {"SequentialResourceOptimizer": SequentialResourceOptimizer},
    )

    decision = await names["custom_performance_optimization"]()

    assert decision.strategy == "performance_maximization"
    said = capsys.readouterr().out
    assert said.count("Estimated duration: ") == len(decision.implementation_plan)


async def test_optimization_configuration() -> None:
    names = await run_block(block("Optimization Configuration"), {})

    optimizer = SequentialResourceOptimizer(optimization_config=names["optimization_config"])

    assert optimizer.settings.forecasting.models == (
        "linear_trend",
        "seasonal_patterns",
        "ml_hybrid",
    )


async def test_alita_core_integration() -> None:
    names = await run_block(block("1. Alita Core Integration"), {})
    applied = []

    class Manager(names["AlitaManagerAgent"]):  # type: ignore[misc]
        config: ClassVar = {"openrouter_api_key": ""}

        async def apply_optimization_decision(self, decision: object) -> None:
            applied.append(decision)

    decision = await Manager().optimize_system_resources()

    assert applied == [decision]


async def test_kgot_system_integration(monkeypatch: pytest.MonkeyPatch) -> None:
    names = await run_block(
        block("2. KGoT System Integration"),
        {"SequentialResourceOptimizer": SequentialResourceOptimizer},
    )
    controller = names["KGoTController"]()
    monitor = controller.resource_optimizer.performance_monitor
    measured = monitor.get_current_metrics()

    def busy(cpu_usage: float) -> Any:
        return lambda: measured.model_copy(update={"cpu_usage": cpu_usage})

    monkeypatch.setattr(monitor, "get_current_metrics", busy(20.0))
    assert await controller.optimize_graph_operations() is None

    monkeypatch.setattr(monitor, "get_current_metrics", busy(95.0))
    decision = await controller.optimize_graph_operations()
    assert decision.strategy == "performance_maximization"
    assert decision.scope == "task_level"


async def test_mcp_selection_integration(capsys: pytest.CaptureFixture[str]) -> None:
    names = await run_block(
        block("3. MCP Selection Integration"),
        {"SequentialResourceOptimizer": SequentialResourceOptimizer},
    )

    await names["integrate_mcp_selection"]()

    assert "Recommended MCP: " in capsys.readouterr().out


@pytest.mark.parametrize("endpoint", ["", "http://127.0.0.1:9"])
async def test_initialization_checks(
    endpoint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEQUENTIAL_THINKING_MCP_ENDPOINT", endpoint)

    await run_block(block("1. Optimizer Initialization Failures"), {})

    said = capsys.readouterr().out
    assert "OPENROUTER_API_KEY environment variable not set" in said
    assert ("MCP endpoint unreachable" in said) is bool(endpoint)


async def test_performance_monitoring_check() -> None:
    names = await run_block(
        block("2. Performance Monitoring Issues"),
        {"SequentialResourceOptimizer": SequentialResourceOptimizer},
    )

    assert 0 <= names["current_metrics"].cpu_usage <= 100


async def test_a_minimal_request_succeeds(
    optimizer: SequentialResourceOptimizer, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    before = list(root.handlers), root.level

    await run_block(block("3. Optimization Request Failures"), {"optimizer": optimizer})

    root.handlers[:], root.level = before
    assert "Success: " in capsys.readouterr().out


async def test_tuning_for_less_memory(optimizer: SequentialResourceOptimizer) -> None:
    names = await run_block(
        block("5. Memory and Performance Issues"), {"optimizer": optimizer, "deque": deque}
    )

    SequentialResourceOptimizer(optimization_config=names["optimization_config"])
    assert optimizer.optimization_history.maxlen == 100


@pytest.mark.usefixtures("port_8000")
def test_health_check_script(capsys: pytest.CaptureFixture[str]) -> None:
    run_script(block("Health Check Script"), {"__name__": "__main__"})

    said = capsys.readouterr().out
    assert "✓ API Status: " in said
    assert "✓ Optimization Test: " in said
    assert "✗" not in said


def test_the_only_block_that_is_no_program_is_the_list_of_requirements() -> None:
    def compiles(block: Block) -> bool:
        try:
            compile(block.source, "block", "exec", flags=0x2000)
        except SyntaxError:
            return False
        return True

    assert [block.heading for block in BLOCKS.values() if not compiles(block)] == ["Dependencies"]
