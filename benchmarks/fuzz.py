"""`make fuzz`: 10,000 generated REST requests against a served process; none may break a rule."""

import subprocess
import sys
import tempfile
from pathlib import Path

from server.operations import OPERATIONS
from tests.serving import CHECKOUT, serving

CASES = 10_000

if __name__ == "__main__":
    each = -(-CASES // len(OPERATIONS))
    schemathesis = str(Path(sys.executable).with_name("schemathesis"))
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), LOG_LEVEL="error") as url:
        configured = ["--config-file", str(CHECKOUT / "schemathesis.toml")]
        command = [schemathesis, *configured, "run", f"{url}/openapi.json", "--checks", "all"]
        phases = ["--phases", "examples,coverage,fuzzing,stateful", "--seed", "1"]
        bounds = ["--max-examples", str(each), "--workers", "2"]
        sys.exit(subprocess.run([*command, *phases, *bounds], cwd=folder).returncode)
