"""Which required capabilities an option offers, and where it says so."""

from collections.abc import Iterable

from optimizer.cost_benefit.option import Option
from optimizer.cost_benefit.words import words


def offered_by(option: Option, capabilities: Iterable[str]) -> dict[str, str]:
    """Required capabilities that the option offers.

    A capability is offered when all its words are in one declared capability, in the category, in
    the name or in the name of one tool. Descriptions do not count: they promise more than they
    mean.

    Returns:
        Capability to where it is offered, for example `declared capability` or `tool send_mail`.
    """
    places = _places(option)
    found = {}
    for capability in capabilities:
        needed = frozenset(words(capability)) or frozenset((capability.lower(),))
        for where, offered in places:
            if needed <= offered:
                found[capability] = where
                break
    return found


def _places(option: Option) -> list[tuple[str, frozenset[str]]]:
    declared = [("declared capability", text) for text in option.capabilities]
    named = [("category", option.category), ("name", option.name), ("id", option.id)]
    tools = [(f"tool {tool.name}", tool.name) for tool in option.tools]
    return [
        (where, frozenset(words(text)) | {text.lower()})
        for where, text in (*declared, *named, *tools)
        if text
    ]
