"""Descriptors of MCP servers, as the neighbours write them, into options.

Texts of a descriptor are other people's: they are capped and matched, never quoted. Values of
fields that are not read (a command, an environment, headers) are never looked at.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from optimizer.catalog.tool_tokens import estimate_tokens
from optimizer.cost_benefit.option import Claims, Option, Tool
from optimizer.cost_benefit.reading import did_you_mean
from optimizer.errors import InvalidRequestError

MAX_CANDIDATES = 1000
MAX_TOOLS = 2000
MAX_TOOLS_TOGETHER = 20_000
MAX_ID = 200
MAX_TEXT_READ = 4000
"""Characters of a description that are read; the rest could only stuff keywords."""
MAX_WORDS = 64
MAX_NOT_USED = 8
NOT_READ = "not read"
"""Why a field is not used that is like no field that is."""

NUMBERS: dict[str, tuple[str, ...]] = {
    "cost_usd": ("cost_usd", "cost", "cost_usd_per_call", "cost_per_call", "usd_per_call"),
    "latency_ms": (
        "latency_ms",
        "p50_latency_ms",
        "avg_latency_ms",
        "average_latency_ms",
        "response_time_ms",
    ),
    "p95_latency_ms": ("p95_latency_ms",),
    "startup_ms": ("startup_ms", "connect_ms", "startup_latency_ms"),
    "performance": ("performance", "performance_score", "quality", "quality_score"),
    "reliability": ("reliability", "reliability_score", "success_rate"),
    "context_tokens": ("context_tokens", "tokens", "token_footprint"),
}
"""Claim to the names under which descriptors give it."""

_SHARES = {"performance", "reliability"}
_TEXTS = ("id", "mcp_id", "name", "description", "category", "capabilities", "tools", "metadata")
_UNUSABLE = {
    "cost_efficiency": "a score without a unit; give cost_usd_per_call",
    "pareto_score": "a score without a unit; dominance is computed from the figures",
    "usage_frequency": "how often it is used says nothing about this task",
}
_KNOWN: dict[str, object] = dict.fromkeys(
    (*_TEXTS, *_UNUSABLE, *(alias for aliases in NUMBERS.values() for alias in aliases))
)


def read_options(descriptors: Sequence[Mapping[str, Any]]) -> list[Option]:
    """Read candidates.

    Args:
        descriptors: One mapping per candidate; `id` or `name` is needed, the rest is optional.

    Returns:
        The options, in the order given; nothing measured is in them yet.

    Raises:
        InvalidRequestError: No candidates, too many, two of one id, or a bad value.
    """
    if not descriptors:
        raise _bad("available_mcps", "is empty; give at least one candidate with an id or name")
    if len(descriptors) > MAX_CANDIDATES:
        raise _bad(
            "available_mcps",
            f"{len(descriptors)} candidates; at most {MAX_CANDIDATES} are compared at once",
        )
    options = [_read(raw, f"available_mcps[{i}]") for i, raw in enumerate(descriptors)]
    seen: set[str] = set()
    for i, option in enumerate(options):
        if option.id in seen:
            raise _bad(f"available_mcps[{i}].id", f"{option.id!r} is there twice; ids must differ")
        seen.add(option.id)
    if sum(len(option.tools) for option in options) > MAX_TOOLS_TOGETHER:
        raise _bad("available_mcps", f"has more than {MAX_TOOLS_TOGETHER} tools; give fewer")
    return options


def _read(raw: Mapping[str, Any], where: str) -> Option:
    if not isinstance(raw, Mapping):
        raise _bad(where, f"is a {type(raw).__name__}; give an object with an id or name")
    identifier = _identifier(raw, where)
    listed = _tools(raw.get("tools"), f"{where}.tools")
    return Option(
        id=identifier,
        name=_text(raw.get("name"), f"{where}.name")[:MAX_ID] or identifier,
        description=_text(raw.get("description"), f"{where}.description"),
        tools=tuple(_tool(tool, f"{where}.tools[{i}]") for i, tool in enumerate(listed)),
        capabilities=_words(raw.get("capabilities"), f"{where}.capabilities"),
        category=_text(raw.get("category"), f"{where}.category")[:MAX_ID],
        claims=Claims(**{name: _number(raw, name, where) for name in NUMBERS}),
        tool_list_tokens=_tokens(listed, f"{where}.tools") if listed else None,
        not_used=_not_used(raw),
    )


def _identifier(raw: Mapping[str, Any], where: str) -> str:
    for key in ("id", "mcp_id", "name"):
        value = raw.get(key)
        if value is None or value == "":
            continue
        if not isinstance(value, str) or len(value) > MAX_ID:
            raise _bad(f"{where}.{key}", f"must be text of 1 to {MAX_ID} characters")
        if not value.isprintable():
            raise _bad(f"{where}.{key}", "has control or invisible characters; remove them")
        return value
    raise _bad(where, "has neither an id nor a name")


def _number(raw: Mapping[str, Any], name: str, where: str) -> float | None:
    given = [(alias, raw[alias]) for alias in NUMBERS[name] if raw.get(alias) is not None]
    if not given:
        return None
    alias, value = given[0]
    for other, other_value in given[1:]:
        if other_value != value:
            raise _bad(f"{where}.{other}", f"differs from {alias}, which means the same; give one")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _bad(f"{where}.{alias}", "must be a finite number")
    if value < 0:
        raise _bad(f"{where}.{alias}", f"is {value:g}; must be 0 or more")
    if name in _SHARES and value > 1:
        raise _bad(f"{where}.{alias}", f"is {value:g}; must be 0 to 1, for example 0.98")
    return float(value)


def _tools(value: object, where: str) -> list[Mapping[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list | tuple) or len(value) > MAX_TOOLS:
        raise _bad(where, f"must be a list of at most {MAX_TOOLS} tools")
    tools = [{"name": tool} if isinstance(tool, str) else tool for tool in value]
    for i, tool in enumerate(tools):
        if not isinstance(tool, Mapping):
            raise _bad(f"{where}[{i}]", "must be a tool with a name, or its name")
    return tools


def _tokens(listed: Sequence[Mapping[str, Any]], where: str) -> int:
    try:
        return estimate_tokens(listed)
    except (RecursionError, ValueError):
        raise _bad(where, "has a schema that is nested too deeply") from None


def _tool(raw: Mapping[str, Any], where: str) -> Tool:
    schema = raw.get("inputSchema", raw.get("input_schema"))
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    names = list(properties)[:MAX_WORDS] if isinstance(properties, Mapping) else []
    return Tool(
        name=_printable(_text(raw.get("name"), f"{where}.name"))[:MAX_ID],
        description=_text(raw.get("description"), f"{where}.description"),
        parameters=tuple(str(name)[:MAX_ID] for name in names),
    )


def _text(value: object, where: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _bad(where, "must be text")
    return value[:MAX_TEXT_READ]


def _words(value: object, where: str) -> tuple[str, ...]:
    """Capabilities: a list of words, or an object whose keys are the words."""
    if value is None:
        return ()
    if isinstance(value, str):
        return tuple(part.strip() for part in value[:MAX_TEXT_READ].split(",") if part.strip())
    if isinstance(value, Mapping):
        value = [key for key, offered in value.items() if offered is not False]
    if not isinstance(value, list | tuple):
        raise _bad(where, "must be a list of words")
    return tuple(_text(word, f"{where}[{i}]")[:MAX_ID] for i, word in enumerate(value[:MAX_WORDS]))


def _not_used(raw: Mapping[str, Any]) -> dict[str, str]:
    """Fields that say nothing here, so that a misspelled one does not vanish silently."""
    reasons: dict[str, str] = {}
    for key in list(raw)[:MAX_WORDS]:
        if len(reasons) == MAX_NOT_USED:
            break
        if key in _UNUSABLE:
            reasons[key] = _UNUSABLE[key]
        elif key not in _KNOWN:
            shown = _printable(str(key))[:60]
            reasons[shown] = f"{NOT_READ}{did_you_mean(shown, _KNOWN)}"
    return reasons


def _printable(text: str) -> str:
    """Without control, direction and zero-width characters, which could disguise what it says."""
    return "".join(character for character in text if character.isprintable())


def _bad(field: str, problem: str) -> InvalidRequestError:
    return InvalidRequestError(f"{field}: {problem}. Nothing was analysed", field=field)
