import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.errors import InvalidRequestError
from optimizer.quantities import (
    PARTS,
    RESOURCES,
    Unit,
    format_amount,
    from_parts,
    parse_amount,
    to_parts,
    whole,
)

GIB = 2.0**30


@pytest.mark.parametrize(
    ("name", "value", "capacity", "expected"),
    [
        ("cpu", 25, 8.0, 2.0),
        ("cpu", "25 %", 8.0, 2.0),
        ("cpu", "2 cores", 8.0, 2.0),
        ("cpu", "500m", 8.0, 0.5),
        ("memory", 50, 16 * GIB, 8 * GIB),
        ("memory", "8 GiB", None, 8 * GIB),
        ("memory", "8Gi", None, 8 * GIB),
        ("memory", "500 MB", None, 5e8),
        ("network", "100 Mbit/s", None, 12.5e6),
        ("network", "10 MB/s", None, 1e7),
        ("gpu", "1 gpu", 2.0, 1.0),
        ("mcp_tokens", 50000, None, 50000.0),
        ("mcp_tokens", "50k", None, 50000.0),
        ("mcp_tokens", "50,000 tokens", None, 50000.0),
        ("api_calls", "5k calls", None, 5000.0),
        ("validation_cycles", 3, None, 3.0),
        ("usd", 0.5, None, 0.5),
        ("usd", "$0.50", None, 0.5),
        ("usd", "20 USD", None, 20.0),
    ],
)
def test_amounts_are_read_as_agents_write_them(
    name: str, value: float | str, capacity: float | None, expected: float
) -> None:
    amount = parse_amount(value, resource=RESOURCES[name], capacity=capacity)

    assert amount.guaranteed == pytest.approx(expected)
    assert amount.burst is None


def test_a_range_is_guaranteed_and_burst() -> None:
    amount = parse_amount("2-6 GiB", resource=RESOURCES["memory"], capacity=None)

    assert (amount.guaranteed, amount.burst) == (2 * GIB, 6 * GIB)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cpu", math.nan),
        ("cpu", math.inf),
        ("cpu", -1),
        ("cpu", 0),
        ("cpu", True),
        ("cpu", 10**400),
        ("cpu", "1e999 cores"),
        ("cpu", "-2 cores"),
        ("cpu", "2 GiB"),
        ("cpu", "$2"),
        ("cpu", ""),
        ("cpu", "lots"),
        ("cpu", "1,5 cores"),
        ("memory", "6-2 GiB"),
        ("memory", "1" * 65),
        ("mcp_tokens", 1e300),
        ("usd", "5 %"),
    ],
)
def test_what_is_no_amount_is_refused_and_the_message_shows_one(
    name: str, value: float | str
) -> None:
    with pytest.raises(InvalidRequestError, match="write for example") as refused:
        parse_amount(value, resource=RESOURCES[name], capacity=8.0 if name == "cpu" else None)

    assert refused.value.field == f"resources.{name}"
    assert "Nothing was changed" in str(refused.value)


@pytest.mark.parametrize("name", list(RESOURCES))
def test_every_example_in_a_message_is_an_amount(name: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        parse_amount("?", resource=RESOURCES[name], capacity=8.0)

    examples = re.findall(r'"([^"]+)"', str(refused.value))

    assert examples
    for example in examples:
        assert parse_amount(example, resource=RESOURCES[name], capacity=8.0).guaranteed > 0


def test_a_percentage_of_an_unknown_capacity_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="needs a known capacity"):
        parse_amount(25, resource=RESOURCES["network"], capacity=None)


def test_nothing_is_an_amount_only_of_what_was_used() -> None:
    assert (
        parse_amount(0, resource=RESOURCES["usd"], capacity=None, allow_zero=True).guaranteed == 0
    )


@given(text=st.text(max_size=80))
def test_any_text_is_an_amount_or_a_clear_refusal(text: str) -> None:
    try:
        amount = parse_amount(text, resource=RESOURCES["memory"], capacity=16 * GIB)
    except InvalidRequestError:
        return
    assert 0 < amount.guaranteed < math.inf


@given(unit=st.sampled_from(list(PARTS)), share=st.integers(0, 2**53))
def test_whole_parts_survive_the_way_to_a_number_and_back(unit: Unit, share: int) -> None:
    """A division and a product each round once: of parts of a unit, three bits fewer are exact."""
    parts = share if PARTS[unit] == 1 else share // 8

    assert to_parts(from_parts(parts, unit), unit) == parts


@given(amount=st.floats(0, 1e9), unit=st.sampled_from(list(PARTS)))
def test_parts_never_hold_more_than_the_amount(amount: float, unit: Unit) -> None:
    exact = amount * PARTS[unit]

    assert to_parts(amount, unit) <= exact + 1e-9 * max(1.0, exact)
    assert to_parts(amount, unit) > exact - 1


def test_a_rounding_error_of_a_double_is_not_a_part() -> None:
    assert to_parts(0.29, "usd") == 290_000
    assert whole(2.9999999999999996) == 3
    assert whole(2.99) == 2


@pytest.mark.parametrize(
    ("amount", "unit", "text"),
    [
        (0.16, "core", "0.16 core"),
        (1, "core", "1 core"),
        (2.5, "core", "2.5 cores"),
        (0, "slot", "0 slots"),
        (4 * GIB, "byte", "4.00 GiB"),
        (512, "byte", "512 B"),
        (2.0**20, "byte/s", "1.00 MiB/s"),
        (0.5, "usd", "$0.50"),
        (0.0001, "usd", "$0.000100"),
        (50_000, "token", "50,000 tokens"),
        (5e6, "call", "5,000,000 calls"),
    ],
)
def test_amounts_are_shown_in_absolute_units(amount: float, unit: Unit, text: str) -> None:
    assert format_amount(amount, unit) == text
