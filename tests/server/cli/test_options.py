import json
from typing import Annotated, Any, Literal

import click
import pytest
from click.testing import CliRunner, Result
from pydantic import BaseModel, ConfigDict, Field

from server.cli.options import parameters_of, values_of
from server.operation import Command, Operation, Rest
from server.operations import OPERATIONS
from server.views import full


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid")

    resources: dict[str, float | str]
    ttl_s: Annotated[int, Field(ge=1, description="Seconds until it ends.")] = 900
    detail: Literal["brief", "full"] = "brief"
    metrics: tuple[str, ...] | None = None
    constraints: dict[str, Any] = Field(default_factory=dict)
    use_sequential_thinking: bool = False


class Candidates(BaseModel):
    model_config = ConfigDict(extra="forbid")

    available_mcps: list[dict[str, Any]]


def operation(request: type[BaseModel], *, without: frozenset[str] = frozenset()) -> Operation:
    rest = Rest("POST", "/try", "Try", "tests", without=without)
    command = Command("try", "Try.")
    return Operation(
        name="try", request=request, answer=dict, view=full, rest=rest, command=command
    )


def typed(*arguments: str, request: type[BaseModel] = Request, stdin: str | None = None) -> Result:
    """What a command makes of its arguments, as JSON."""
    tried = operation(request)

    def show(**given: object) -> None:
        click.echo(json.dumps(values_of(tried, given)))

    command = click.Command("try", callback=show, params=parameters_of(tried))
    return CliRunner().invoke(command, arguments, input=stdin)


def test_what_is_needed_has_no_dashes_and_keeps_its_units() -> None:
    result = typed("cpu=2 cores", "memory=25")

    assert json.loads(result.stdout) == {"resources": {"cpu": "2 cores", "memory": 25}}


def test_what_is_left_out_is_not_sent_so_that_defaults_stay_in_one_place() -> None:
    assert json.loads(typed("cpu=1").stdout) == {"resources": {"cpu": 1}}


@pytest.mark.parametrize("option", ["--ttl", "--ttl-s"])
def test_the_short_and_the_full_spelling_mean_the_same(option: str) -> None:
    assert json.loads(typed("cpu=1", option, "60").stdout)["ttl_s"] == 60


def test_values_are_numbers_texts_or_lists_as_they_look() -> None:
    result = typed("cpu=1", "--constraint", "max_cost=500", "--constraint", "focus=graphs")

    assert json.loads(result.stdout)["constraints"] == {"max_cost": 500, "focus": "graphs"}


def test_lists_may_be_repeated_or_have_commas() -> None:
    result = typed("cpu=1", "--metric", "cpu_usage,load_1m", "--metric", "swap_usage")

    assert json.loads(result.stdout)["metrics"] == ["cpu_usage", "load_1m", "swap_usage"]


@pytest.mark.parametrize(("flag", "value"), [("--think", True), ("--no-think", False)])
def test_a_switch_can_be_set_either_way(flag: str, value: bool) -> None:
    assert json.loads(typed("cpu=1", flag).stdout)["use_sequential_thinking"] is value


def test_a_list_of_objects_is_read_from_a_file_or_from_stdin() -> None:
    result = typed("-", request=Candidates, stdin='[{"id": "a"}]')

    assert json.loads(result.stdout) == {"available_mcps": [{"id": "a"}]}


@pytest.mark.parametrize(
    "arguments",
    [(), ("cpu",), ("=1",), ("cpu=1", "--ttl", "soon"), ("cpu=1", "--detail", "all")],
)
def test_what_cannot_be_read_is_a_wrong_use(arguments: tuple[str, ...]) -> None:
    assert typed(*arguments).exit_code == 2


def test_a_file_that_is_not_json_is_a_wrong_use() -> None:
    result = typed("-", request=Candidates, stdin="[")

    assert result.exit_code == 2
    assert "does not hold JSON" in result.output


def test_the_help_names_unit_and_default() -> None:
    text = typed("--help").output

    assert "Seconds until it ends." in text
    assert "[default: 900]" in text


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_every_argument_of_the_rest_route_is_an_option_of_the_command(operation: Operation) -> None:
    names = {parameter.name for parameter in parameters_of(operation)}

    assert names == set(operation.request.model_fields) - operation.rest.without
