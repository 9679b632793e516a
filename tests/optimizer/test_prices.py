import re

import pytest

from optimizer.prices import FARGATE, GIB, MODELS, Price, monthly_cost


def test_a_month_of_one_core_and_two_gib_costs_what_the_price_list_says() -> None:
    cpu, memory = FARGATE.price("cpu"), FARGATE.price("memory")

    assert cpu is not None
    assert memory is not None
    assert monthly_cost(cpu, 1, "core") == pytest.approx(29.5504)
    assert monthly_cost(memory, 2 * GIB, "byte") == pytest.approx(6.4897)


def test_storage_is_charged_beyond_what_is_included() -> None:
    storage = FARGATE.price("storage")

    assert storage is not None
    assert monthly_cost(storage, 20 * GIB, "byte") == 0
    assert monthly_cost(storage, 120 * GIB, "byte") == pytest.approx(100 * 0.000111 * 730)


def test_every_built_in_price_says_where_and_when_it_was_stated() -> None:
    listed = [*FARGATE.prices.values(), *MODELS.values()]

    assert FARGATE.prices.keys() == {"cpu", "memory", "storage"}
    assert all(re.fullmatch(r"\d{4}-\d{2}(-\d{2})?", price.date) for price in listed)
    assert {price.source.split(",")[0] for price in listed} == {
        "AWS Fargate",
        "Anthropic's price list",
    }


def test_what_nobody_priced_has_no_price_and_a_reason_that_names_the_setting() -> None:
    assert FARGATE.price("gpu") is None
    assert "prices.gpu" in FARGATE.unpriced_reason("gpu")


def test_a_configured_price_takes_the_place_of_the_built_in_one() -> None:
    mine = Price(resource="network", usd_per_unit_hour=0.5, source="my contract", date="2026-11-01")

    table = FARGATE.replaced([mine])

    assert table.price("network") == mine
    assert "network" not in table.not_by_capacity
    assert table.price("cpu") == FARGATE.price("cpu")
