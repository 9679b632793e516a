"""What the rooms would refuse of the settings."""

from typing import Any

import pytest

from optimizer import configured
from optimizer.errors import ConfigurationError
from optimizer.settings import Settings

WEB = {"resource": "cpu", "command": ["docker", "update", "--cpus", "{to}", "web"]}


def actuators(**tables: dict[str, Any]) -> Settings:
    return Settings.model_validate({"actuators": tables})


def test_a_command_becomes_the_lever_of_its_resource() -> None:
    settings = actuators(web=WEB | {"downtime": True})

    assert configured.commands(settings)["web"].unit == "core"
    assert configured.levers(settings)["cpu"].model_dump() == {"actuator": "web", "downtime": True}
    assert configured.policy(settings, {}).levers.keys() == {"cpu"}


@pytest.mark.parametrize(
    ("tables", "problem"),
    [
        ({"web": WEB | {"command": ["docker", "{name}"]}}, "braces that are none of"),
        ({"web": WEB | {"verify": ["{to}"]}}, "must not be a placeholder"),
        ({"web": WEB | {"resource": "network"}}, "no resource 'network' to move"),
        ({"web": WEB | {"unit": "GiB"}}, "counted in core"),
        ({"leases": WEB}, "actuator of our own"),
        ({"web": WEB, "api": WEB}, "web, api set cpu"),
    ],
)
def test_a_command_that_cannot_be_right_is_refused_at_the_start(
    tables: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=r"actuators\.") as refused:
        configured.commands(actuators(**tables))

    assert problem in str(refused.value)
    assert str(refused.value) in map(str, configured.problems(actuators(**tables)))


def test_the_levels_that_decisions_consider_are_configured() -> None:
    settings = Settings.model_validate({"levels": {"multipliers": [1.0, 3.0]}})

    assert configured.rules(settings).multipliers == (1.0, 3.0)
    assert configured.rules(settings).lease_shares == (0.1, 0.25, 0.5, 0.75, 1.0)
