"""Commands of the operator that change what a resource has (I/O).

A command is a list of arguments in sro.toml. No shell reads it, and nothing that a caller sends
gets into it: its placeholders stand for numbers that a decision computed, and for nothing else.
"""

import os
import re
import shutil
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from subprocess import DEVNULL, PIPE, STDOUT

import anyio
from anyio.abc import Process

from optimizer.decisions.decision import ImplementationStep
from optimizer.enforcement.actuator import ActuatorError

PLACEHOLDERS = ("from", "to", "delta")
"""What a command may name in braces: the amount before, the amount after, and after less before."""

UNITS: Mapping[str, float] = {
    "core": 1.0,
    "device": 1.0,
    "byte": 1.0,
    "KiB": 2.0**10,
    "MiB": 2.0**20,
    "GiB": 2.0**30,
}
"""Units of the numbers in a command, and how many of the resource's own units each is."""

MOST_DECIMALS = 3
"""Digits behind the point of a number in a command: thousandths of a core are what schedulers
take."""

INHERITED = ("HOME", "LANG", "LOGNAME", "PATH", "USER")
"""Variables that a command gets; no key of ours is among them."""

OUTPUT_TAIL = 500
"""Characters of what a failing command said that are kept."""

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class OperatorCommand:
    """A command that sets how much there is of a resource; fits `Actuator`.

    Attributes:
        name: How sro.toml calls it.
        argv: Program and arguments, with placeholders.
        verify: A command that ends with 0 once the change is in force; None for no such check.
        unit: Unit of the numbers, of `UNITS`.
        timeout_s: Seconds after which it is ended.
    """

    name: str
    argv: tuple[str, ...]
    verify: tuple[str, ...] | None = None
    unit: str = "core"
    timeout_s: float = 60.0
    is_exact = False

    async def check(self, step: ImplementationStep) -> str:
        """Say which command would run; the program must exist."""
        argv = self.filled(self.argv, step)
        for program in {argv[0], *(self.verify or argv)[:1]}:
            if shutil.which(program) is None:
                raise ActuatorError(
                    f"actuators.{self.name}: there is no program {program!r}; correct sro.toml"
                )
        return f"would run {_shown(argv)}"

    async def carry_out(self, step: ImplementationStep) -> str:
        """Run the command, then the one that verifies it."""
        return await self._run_both(step)

    async def take_back(self, step: ImplementationStep) -> str:
        """Run the same command with the amount that there was before."""
        before, after = step["from_value"], step["to_value"]
        back: ImplementationStep = {**step, "from_value": after, "to_value": before}
        return await self._run_both(back)

    def filled(self, argv: tuple[str, ...], step: ImplementationStep) -> tuple[str, ...]:
        """The command with the numbers of a step in the place of its placeholders."""
        before, after = step["from_value"] or 0.0, step["to_value"] or 0.0
        scale = UNITS[self.unit]
        values = {
            "from": _number(before / scale),
            "to": _number(after / scale),
            "delta": _number((after - before) / scale),
        }
        return tuple(_PLACEHOLDER.sub(lambda found: values[found[1]], part) for part in argv)

    async def _run_both(self, step: ImplementationStep) -> str:
        argv = self.filled(self.argv, step)
        await self._run(argv)
        if self.verify is None:
            return f"ran {_shown(argv)}"
        verify = self.filled(self.verify, step)
        await self._run(verify)
        return f"ran {_shown(argv)}; {_shown(verify)} agrees"

    async def _run(self, argv: tuple[str, ...]) -> None:
        environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
        try:
            process = await anyio.open_process(
                argv,
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=STDOUT,
                env=environment,
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            raise ActuatorError(
                f"actuators.{self.name}: {_shown(argv)} did not start: {error}"
            ) from error
        async with process:
            said = await self._wait(process, argv)
        if process.returncode != 0:
            raise ActuatorError(
                f"actuators.{self.name}: {_shown(argv)} ended with {process.returncode}: "
                f"{said or 'it said nothing'}"
            )

    async def _wait(self, process: Process, argv: tuple[str, ...]) -> str:
        said = b""
        try:
            with anyio.fail_after(self.timeout_s):
                assert process.stdout is not None
                async for chunk in process.stdout:
                    said = (said + chunk)[-OUTPUT_TAIL:]
                await process.wait()
        except TimeoutError:
            raise ActuatorError(
                f"actuators.{self.name}: {_shown(argv)} did not end within {self.timeout_s:g} s "
                "and was ended"
            ) from None
        finally:
            # Nothing of its process group outlives the step.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        return said.decode(errors="replace").strip()


def unknown_placeholder(argv: tuple[str, ...]) -> str | None:
    """What is wrong with the placeholders of a command; None when nothing is."""
    if "{" in argv[0] or "}" in argv[0]:
        return f"the program {argv[0]!r} must not be a placeholder"
    for part in argv:
        rest = _PLACEHOLDER.sub(lambda found: "" if found[1] in PLACEHOLDERS else found[0], part)
        if "{" in rest or "}" in rest:
            known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
            return f"{part!r} has braces that are none of {known}"
    return None


def _number(value: float) -> str:
    text = f"{value:.{MOST_DECIMALS}f}".rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text


def _shown(argv: tuple[str, ...]) -> str:
    return " ".join(argv)
