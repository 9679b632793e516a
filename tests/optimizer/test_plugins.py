from dataclasses import dataclass

import pytest

from optimizer.errors import ConfigurationError, InvalidRequestError
from optimizer.plugins import Registry


@dataclass(frozen=True)
class Part:
    name: str


def test_a_part_is_found_by_its_name() -> None:
    registry = Registry("part", [Part("a"), Part("b")])

    assert registry["b"] == Part("b")
    assert registry.names == ("a", "b")


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    registry = Registry("objective", [Part("a"), Part("b")])

    with pytest.raises(InvalidRequestError, match="unknown objective 'c'; known: a, b"):
        registry["c"]


def test_two_parts_of_one_name_stop_the_start() -> None:
    with pytest.raises(ConfigurationError, match="two parts have this name"):
        Registry("part", [Part("a"), Part("a")])
