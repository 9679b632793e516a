"""Generated requests against the served process: every check, every phase, 100 an operation."""

import subprocess
import sys
from pathlib import Path

from tests.serving import CHECKOUT, lonely_environment, serving


def test_generated_requests_find_nothing_wrong(tmp_path: Path) -> None:
    schemathesis = Path(sys.executable).with_name("schemathesis")
    with serving(tmp_path, LOG_LEVEL="error") as url:
        done = subprocess.run(
            [
                str(schemathesis),
                *("--config-file", str(CHECKOUT / "schemathesis.toml")),
                *("run", f"{url}/openapi.json", "--checks", "all"),
                *("--phases", "examples,coverage,fuzzing,stateful"),
                *("--max-examples", "100", "--workers", "2", "--seed", "1"),
            ],
            capture_output=True,
            text=True,
            timeout=1200,
            cwd=tmp_path,
            env=lonely_environment(tmp_path),
        )

    assert done.returncode == 0, done.stdout + done.stderr
