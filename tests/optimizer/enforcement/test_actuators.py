"""Commands of the operator, run as real processes."""

import os
import sys
from pathlib import Path

import pytest

from optimizer.decisions.decision import ImplementationStep
from optimizer.enforcement.actuator import ActuatorError
from optimizer.enforcement.actuators import OperatorCommand, unknown_placeholder
from tests.processes import ended

GIB = 2**30

WRITE = "import sys; open(sys.argv[1], 'w').write(' '.join(sys.argv[2:]))"
"""A program that writes its arguments into a file, one after the other."""


def step(before: float, after: float, unit: str = "core") -> ImplementationStep:
    return ImplementationStep(
        step=2,
        action="increase_cpu",
        description="",
        estimated_duration="10_minutes",
        duration_source="default",
        target="box:cpu",
        from_value=before,
        to_value=after,
        unit=unit,
        depends_on=[],
        rollback=None,
        verify=None,
        carried_out_by="web",
    )


def writes(path: Path, *arguments: str, **changes: object) -> OperatorCommand:
    return OperatorCommand("web", (sys.executable, "-c", WRITE, str(path), *arguments), **changes)  # type: ignore[arg-type]


async def test_a_command_gets_the_numbers_of_the_decision_and_nothing_else(tmp_path: Path) -> None:
    command = writes(tmp_path / "said", "--cpus={to}", "{from}", "{delta}", "$HOME; rm -rf x")

    said = await command.carry_out(step(2.0, 2.5))

    assert (tmp_path / "said").read_text() == "--cpus=2.5 2 0.5 $HOME; rm -rf x"
    assert "--cpus=2.5" in said


async def test_numbers_are_in_the_commands_unit(tmp_path: Path) -> None:
    command = writes(tmp_path / "said", "{to}m", unit="MiB")

    await command.carry_out(step(1.0 * GIB, 1.5 * GIB, "byte"))

    assert (tmp_path / "said").read_text() == "1536m"


async def test_it_is_taken_back_by_the_amount_that_there_was_before(tmp_path: Path) -> None:
    command = writes(tmp_path / "said", "{to}")
    await command.carry_out(step(2.0, 4.0))

    await command.take_back(step(2.0, 4.0))

    assert (tmp_path / "said").read_text() == "2"


async def test_a_command_that_fails_is_told_with_what_it_said() -> None:
    fails = "import sys; print('no such container'); sys.exit(3)"
    command = OperatorCommand("web", (sys.executable, "-c", fails))

    with pytest.raises(ActuatorError, match=r"ended with 3: no such container"):
        await command.carry_out(step(2.0, 4.0))


async def test_a_change_that_is_not_in_force_is_a_failure(tmp_path: Path) -> None:
    not_so = (sys.executable, "-c", "import sys; sys.exit(sys.argv[1] != '3')", "{to}")
    command = writes(tmp_path / "said", "{to}", verify=not_so)

    await command.carry_out(step(2.0, 3.0))
    with pytest.raises(ActuatorError, match="ended with 1"):
        await command.carry_out(step(2.0, 4.0))


async def test_a_command_that_hangs_is_ended_with_everything_that_it_started(
    tmp_path: Path,
) -> None:
    hangs = f"sleep 600 & echo $! >{tmp_path}/pid; wait"
    command = OperatorCommand("web", ("sh", "-c", hangs), timeout_s=2)

    with pytest.raises(ActuatorError, match=r"did not end within 2 s"):
        await command.carry_out(step(2.0, 4.0))

    assert ended(int((tmp_path / "pid").read_text()))


async def test_no_key_of_ours_reaches_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "OPENROUTER_API_KEY", "sk-canary")
    shows = f"import os; open({str(tmp_path / 'env')!r}, 'w').write(repr(dict(os.environ)))"
    command = OperatorCommand("web", (sys.executable, "-c", shows))

    await command.carry_out(step(2.0, 4.0))

    assert "canary" not in (tmp_path / "env").read_text()


async def test_a_program_that_does_not_exist_is_found_out_without_running_anything() -> None:
    with pytest.raises(ActuatorError, match="no program 'no-such-program'"):
        await OperatorCommand("web", ("no-such-program", "{to}")).check(step(2.0, 4.0))


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        (("set", "{to}", "a{delta}b"), None),
        (("{to}",), "must not be a placeholder"),
        (("set", "{host}"), "none of"),
        (("set", "{to"), "none of"),
        (("set", "{}"), "none of"),
        (("set", "{to!r}"), "none of"),
    ],
)
def test_only_declared_numbers_may_stand_in_braces(
    argv: tuple[str, ...], problem: str | None
) -> None:
    found = unknown_placeholder(argv)

    assert (found is None) if problem is None else problem in (found or "")
