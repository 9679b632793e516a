"""USD, each with its date and source. A resource without a price has none: nothing is guessed."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from optimizer.quantities import Unit

HOURS_PER_MONTH = 730.0
"""Hours in the month that cloud price lists count with: 365 * 24 / 12."""

GIB = 2.0**30

_PER_UNIT: dict[Unit, float] = {"byte": GIB, "byte/s": GIB}


class Price(BaseModel):
    """What it costs to have some of a resource for an hour, and who says so."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    resource: str = Field(description="Name of the resource, for example cpu.")
    usd_per_unit_hour: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        description="US dollars for one core, GiB, GiB/s, device or slot for one hour."
    )
    source: str = Field(description="Who states the price.", min_length=1)
    date: str = Field(description="The day or month on which it held.", min_length=7)
    spread: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="Share by which the price may be lower or higher; 0 is a list price."
    )
    included: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        0.0, description="Units that come without charge, in the same unit."
    )


def monthly_cost(price: Price, amount: float, unit: Unit) -> float:
    """US dollars for having an amount of a resource for a month of 730 hours.

    Args:
        price: The price of the resource.
        amount: How much of it, in `unit`, at least 0.
        unit: Unit of the amount; bytes are charged by the GiB.

    Returns:
        US dollars per month.
    """
    charged = max(0.0, amount / _PER_UNIT.get(unit, 1.0) - price.included)
    return price.usd_per_unit_hour * charged * HOURS_PER_MONTH


@dataclass(frozen=True)
class PriceTable:
    """Prices by resource.

    Attributes:
        prices: The price of each priced resource.
        not_by_capacity: Resources that are not charged by how much of them there is, with how they
            are charged instead; a plan's cost leaves them out and says so.
    """

    prices: Mapping[str, Price]
    not_by_capacity: Mapping[str, str] = field(default_factory=dict)

    def price(self, resource: str) -> Price | None:
        """The price of a resource, or None: then its cost is not known."""
        return self.prices.get(resource)

    def unpriced_reason(self, resource: str) -> str:
        """Why a resource has no price, and what to do."""
        return (
            f"no price of {resource} is configured; set prices.{resource} in sro.toml "
            "(usd_per_unit_hour, source, date)"
        )

    def replaced(self, prices: Iterable[Price]) -> "PriceTable":
        """The table with some prices put in the place of its own."""
        newer = {price.resource: price for price in prices}
        charged_otherwise = {
            resource: how for resource, how in self.not_by_capacity.items() if resource not in newer
        }
        return PriceTable({**self.prices, **newer}, charged_otherwise)


class ModelPrice(BaseModel):
    """What a language model costs, and who says so."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    usd_per_million_prompt_tokens: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    usd_per_million_completion_tokens: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    source: str = Field(min_length=1)
    date: str = Field(min_length=7)


_LISTED = tomllib.loads(files("optimizer").joinpath("prices.toml").read_text(encoding="utf-8"))

FARGATE = PriceTable(
    {name: Price(resource=name, **price) for name, price in _LISTED["capacity"].items()},
    not_by_capacity=_LISTED["charged_otherwise"],
)
"""What the same capacity costs at a public list price, as published price pages stated it in June
2026. A machine of one's own costs something else: replace the table in sro.toml. Devices have no
price here, because none holds for all of them."""

MODELS: Mapping[str, ModelPrice] = {
    name: ModelPrice.model_validate(price) for name, price in _LISTED["models"].items()
}
"""Language models whose price is listed, by OpenRouter's names; no other has one here."""
