"""Terminal transcripts of a page: each `$ command` of a `console` block, and what it must print."""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.documented.blocks import code_blocks

PROMPT = "$ "

LIMIT_S = 300
"""Longest that a documented command may take on a busy machine."""

_VARYING = re.compile(
    r"(?P<id>\b(?:opt|alloc)[-_][\w-]+)"
    r"|(?P<when>\d{4}-\d\d-\d\d[T ][\d:.]+(?:\+\d\d:\d\d|Z)?|\b\d\d:\d\d(?::\d\d)?\b)"
    r"|(?P<number>-?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?)"
    r"|(?P<blank>[ \t]+)"
)


@dataclass(frozen=True)
class Call:
    """One command and its answer.

    Attributes:
        command: What is typed.
        answer: What the page shows; `...` stands for anything.
        place: Page and line, for test reports.
    """

    command: str
    answer: str
    place: str

    def __str__(self) -> str:
        """What a test report shows."""
        return f"{self.place} {self.command[:40]}"


def calls(page: Path) -> Iterator[Call]:
    """The commands of a page, in order."""
    for block in code_blocks(page, language="console"):
        parts = re.split(r"(?m)^\$ ", block.source)
        for part in parts[1:]:
            typed, _, answer = part.partition("\n")
            while typed.endswith("\\"):
                more, _, answer = answer.partition("\n")
                typed = f"{typed[:-1]}{more.strip()}"
            yield Call(typed, answer.strip(), f"{page.name}:{block.line}")


def run(call: Call, *, environment: Mapping[str, str], folder: Path) -> str:
    """What the command prints, on stdout and stderr together."""
    done = subprocess.run(
        ["bash", "-c", call.command],
        env={**os.environ, **environment},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
    )
    return done.stdout.strip()


def agrees(shown: str, printed: str) -> bool:
    """Whether a page shows what is printed: the same words; numbers, times and ids may differ."""
    parts = [re.escape(_plain(part.strip())) for part in shown.split("...")]
    return re.fullmatch(r"\s*.*?\s*".join(parts), _plain(printed), re.DOTALL) is not None


def _plain(text: str) -> str:
    """Ids, moments and numbers as placeholders; blanks as one."""
    return _VARYING.sub(_placeholder, text)


def _placeholder(found: re.Match[str]) -> str:
    kinds = {"id": "<id>", "when": "<when>", "number": "<n>", "blank": " "}
    return kinds[str(found.lastgroup)]
