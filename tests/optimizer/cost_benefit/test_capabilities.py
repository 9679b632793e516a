from optimizer.cost_benefit.capabilities import offers
from optimizer.cost_benefit.descriptor import read_options


def test_a_declared_capability_is_certain() -> None:
    [found] = offers(read_options([{"id": "x", "capabilities": ["Mail sending"]}]), ["send mail"])

    assert found["send mail"].chance == 1
    assert found["send mail"].source == "declared"


def test_a_tool_that_fits_is_named_with_its_chance() -> None:
    [found] = offers(read_options([{"id": "x", "tools": ["get_weather"]}]), ["weather"])

    assert 0.5 <= found["weather"].chance < 1
    assert found["weather"].source == "its words fit (get_weather)"


def test_what_nothing_speaks_for_is_not_offered() -> None:
    assert offers(read_options([{"id": "x", "tools": ["get_weather"]}]), ["opera"]) == [{}]


def test_a_capability_in_another_script_is_found_when_declared() -> None:
    [found] = offers(read_options([{"id": "x", "capabilities": ["Погода"]}]), ["погода"])

    assert found["погода"].chance == 1
