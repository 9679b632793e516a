"""`make fuzz`: 10,000 generated REST requests against a served process; none may break a rule.

What only operators may ask is asked once more, with the token of one.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from server.operations import OPERATIONS
from tests.serving import CHECKOUT, lonely_environment, serving

CASES = 10_000

OPERATORS_OWN = ("apply_decision", "profile_mcp")

EACH = str(-(-CASES // len(OPERATIONS)))


def fuzz(folder: Path, phases: str, *further: str) -> int:
    """Serve from a folder and fuzz; the exit code is 0 where nothing was found."""
    schemathesis = str(Path(sys.executable).with_name("schemathesis"))
    with serving(folder, LOG_LEVEL="error") as url:
        configured = ["--config-file", str(CHECKOUT / "schemathesis.toml")]
        command = [schemathesis, *configured, "run", f"{url}/openapi.json", "--checks", "all"]
        bounds = ["--phases", phases, "--seed", "1", "--max-examples", EACH, "--workers", "2"]
        return subprocess.run([*command, *bounds, *further], cwd=folder).returncode


def operators_token(folder: Path) -> str:
    """A token that may do everything, for a server that will be served from a folder."""
    made = subprocess.run(
        [sys.executable, "-m", "server.cli.main", "token", "add", "fuzz", "--role", "operator"],
        env=lonely_environment(folder),
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
        text=True,
    )
    return re.findall(r"sro_\S+", made.stdout)[0]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as anybodys, tempfile.TemporaryDirectory() as operators:
        found = fuzz(Path(anybodys), "examples,coverage,fuzzing,stateful")
        header = f"Authorization: Bearer {operators_token(Path(operators))}"
        only = [word for name in OPERATORS_OWN for word in ("--include-operation-id", name)]
        sys.exit(found or fuzz(Path(operators), "examples,coverage,fuzzing", "-H", header, *only))
