"""Which required capabilities an option offers, and how sure that is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optimizer.cost_benefit.option import Option
from optimizer.cost_benefit.relevance import match_all, probability_of_fit
from optimizer.cost_benefit.words import words

LEAST_CHANCE = 0.5
"""A capability that is not declared counts as offered when the words make it likelier than not."""


@dataclass(frozen=True)
class Offer:
    """A capability that an option offers.

    Attributes:
        chance: How sure it is, 0 to 1; 1 when it is declared.
        source: Where that is said.
    """

    chance: float
    source: str


Offers = Mapping[str, Offer]


def offers(options: Sequence[Option], capabilities: Sequence[str]) -> list[Offers]:
    """For each option the required capabilities that it offers.

    A capability is offered when the option declares it, in other words too (`send mail` is declared
    by `mail-sending`), or when its names and descriptions fit the capability's words.
    """
    found: list[dict[str, Offer]] = [{} for _ in options]
    for capability in capabilities:
        needed = frozenset(words(capability))
        for i, matched in enumerate(match_all(capability, options)):
            if _is_declared(options[i], capability, needed):
                found[i][capability] = Offer(1.0, "declared")
                continue
            chance = probability_of_fit(matched.score)
            if chance >= LEAST_CHANCE:
                by_tool = f" ({matched.tools[0]})" if matched.tools else ""
                found[i][capability] = Offer(chance, f"its words fit{by_tool}")
    return [*found]


def _is_declared(option: Option, capability: str, needed: frozenset[str]) -> bool:
    return any(
        declared.strip().lower() == capability.strip().lower()
        or (needed and needed <= frozenset(words(declared)))
        for declared in (*option.capabilities, option.category)
    )
