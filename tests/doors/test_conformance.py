"""The official MCP conformance suite against the served process, in both protocol eras."""

import subprocess
import sys
from pathlib import Path

from tests import node
from tests.serving import CHECKOUT, lonely_environment, serving


def test_a_product_fails_no_scenario_of_either_era(tmp_path: Path) -> None:
    node.conformance()
    with serving(tmp_path, LOG_LEVEL="error") as url:
        done = subprocess.run(
            [str(CHECKOUT / "tests/tools/conformance.sh"), f"{url}/mcp", "product", "results"],
            capture_output=True,
            text=True,
            timeout=600,
            cwd=tmp_path,
            env=lonely_environment(tmp_path, NODE=node.node(), PYTHON=sys.executable),
        )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "20 passed, 0 failed" in done.stdout
