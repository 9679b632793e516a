"""`make fuzz`: 10,000 generated REST requests against a served process; none may break a rule.

What only operators may ask is asked once more, with the token of one. Making a request up takes ten
to a hundred times as long as answering it, and one process makes them up on one core only, so the
operations are dealt to as many processes as there are cores.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from server.operations import OPERATIONS
from tests.serving import CHECKOUT, lonely_environment, serving

CASES = 10_000

OPERATORS_OWN = ("apply_decision", "profile_mcp")

DEAR = (
    "allocate_batch",
    "analyze_mcp_selection",
    "analyze_system_routing",
    "analyze_validation_strategies",
    "optimize_resources",
)
"""Operations whose bodies take a tenth of a second to make up, where the others take a fiftieth."""

OF_DEAR, OF_CHEAP = 200, 400
"""Generated requests for each; those that come by rule (`coverage`) and in sequences (`stateful`)
make up the rest of 10,000."""


@dataclass(frozen=True)
class Part:
    """What one process asks.

    Attributes:
        url: The server.
        phases: As schemathesis calls them.
        examples: The most generated requests for each operation.
        operations: Only these; empty for all.
        headers: Sent with each request.
    """

    url: str
    phases: str
    examples: int
    operations: Sequence[str] = ()
    headers: Sequence[str] = ()

    def command(self) -> list[str]:
        """The process."""
        configured = ["--config-file", str(CHECKOUT / "schemathesis.toml")]
        only = [word for name in self.operations for word in ("--include-operation-id", name)]
        sent = [word for header in self.headers for word in ("-H", header)]
        return [
            *(str(Path(sys.executable).with_name("schemathesis")), *configured),
            *("run", f"{self.url}/openapi.json", "--checks", "all", "--phases", self.phases),
            *("--seed", "1", "--max-examples", str(self.examples), "--workers", "1"),
            *(*only, *sent),
        ]


def ask(part: Part, folder: Path) -> tuple[int, int]:
    """Ask all of a part, and print what came of it.

    Args:
        part: What is asked.
        folder: Where the tables of all characters are kept, which take seconds to make.

    Returns:
        How many requests were made, and the exit code, 0 where nothing was found.
    """
    environment = {**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "tables")}
    done = subprocess.run(
        part.command(), cwd=folder, env=environment, capture_output=True, text=True
    )
    print(done.stdout, done.stderr, sep="", flush=True)
    return sum(map(int, re.findall(r"(\d+) generated", done.stdout))), done.returncode


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


def parts(url: str, operators_url: str, token: str) -> list[Part]:
    """Everything, those first that take longest."""
    names = [operation.name for operation in OPERATIONS]
    cheap = [name for name in names if name not in DEAR]
    bearer = f"Authorization: Bearer {token}"
    return [
        *(Part(url, "fuzzing", OF_DEAR, DEAR[place::2]) for place in (0, 1)),
        *(Part(url, "fuzzing", OF_CHEAP, cheap[place::4]) for place in range(4)),
        Part(operators_url, "examples,coverage,fuzzing", OF_CHEAP, OPERATORS_OWN, [bearer]),
        Part(url, "examples,coverage,stateful", OF_CHEAP // 4),
    ]


def main() -> int:
    """Fuzz; the exit code is 0 where nothing was found in enough requests."""
    with tempfile.TemporaryDirectory() as anybodys, tempfile.TemporaryDirectory() as operators:
        folder = Path(anybodys)
        token = operators_token(Path(operators))
        with (
            serving(folder, LOG_LEVEL="error") as url,
            serving(Path(operators), LOG_LEVEL="error") as operators_url,
            ThreadPoolExecutor(os.cpu_count()) as askers,
        ):
            every = parts(url, operators_url, token)
            answers = list(askers.map(ask, every, [folder] * len(every)))
    cases = sum(count for count, _ in answers)
    failed = sum(code != 0 for _, code in answers)
    print(f"{cases} requests in {len(answers)} parts, of which {failed} found something")
    return 0 if cases >= CASES and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
