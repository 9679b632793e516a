"""`sro forecast --plot FILE`: the plain command of the table, which draws its answer too."""

from pathlib import Path
from typing import Any

import click

from server.cli.asking import FAILED, MISUSED, answered, fail, show
from server.cli.options import parameters_of, values_of
from server.cli.pictures.written import WRITERS, draw
from server.operations import BY_NAME

OPERATION = BY_NAME["forecast_workload"]


def _run(*, as_json: bool, plot: Path | None, **given: Any) -> None:
    values = values_of(OPERATION, given)
    if plot is not None and plot.suffix.lower() not in WRITERS:
        fail(f"--plot {plot}: the name must end in {' or '.join(WRITERS)}", MISUSED)
    answer = answered(OPERATION, values)
    if plot is not None:
        try:
            draw(OPERATION.name, answer, plot)
        except (ValueError, OSError) as error:
            fail(f"--plot {plot}: {error}", FAILED)
    show(OPERATION, answer, as_json=as_json)


forecast = click.Command(
    OPERATION.command.name,
    callback=_run,
    params=[
        *parameters_of(OPERATION),
        click.Option(
            ["--plot"],
            type=click.Path(dir_okay=False, path_type=Path),
            metavar="FILE",
            help="Draw it too: FILE.svg or FILE.png.",
        ),
        click.Option(["as_json", "--json"], is_flag=True, help="The answer as JSON."),
    ],
    help=OPERATION.command.help,
)
