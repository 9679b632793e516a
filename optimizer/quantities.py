"""Resources, their units, and amounts as people and agents write them.

The rule, the same in every door: a bare number is a percentage of the machine for cpu, memory,
storage, network and gpu; a count for mcp_tokens, api_calls and validation_cycles; US dollars for
usd. Native units need a suffix (`"2 cores"`, `"8 GiB"`, `"500m"`, `"50k"`), and a range is
guaranteed-burst (`"2-6 GiB"`).
"""

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from optimizer.errors import InvalidRequestError

Unit = Literal["core", "byte", "byte/s", "device", "token", "call", "cycle", "usd", "slot"]
"""What one of a resource is. `slot` is the unit of a pool that only `sro.toml` names."""

Kind = Literal["compressible", "incompressible", "budget"]
"""Too little of it is slow (cpu, compressible), fails (memory, incompressible), or it is spent."""


@dataclass(frozen=True)
class Resource:
    """A kind of thing that a pool holds.

    Attributes:
        name: The word that requests use.
        unit: Unit of every stored amount.
        kind: What happens when there is too little.
        percent: Whether a bare number means a percentage of the capacity.
    """

    name: str
    unit: Unit
    kind: Kind
    percent: bool = False


RESOURCES: dict[str, Resource] = {
    resource.name: resource
    for resource in (
        Resource("cpu", "core", "compressible", percent=True),
        Resource("memory", "byte", "incompressible", percent=True),
        Resource("storage", "byte", "incompressible", percent=True),
        Resource("network", "byte/s", "compressible", percent=True),
        Resource("gpu", "device", "incompressible", percent=True),
        Resource("mcp_tokens", "token", "budget"),
        Resource("api_calls", "call", "budget"),
        Resource("validation_cycles", "cycle", "budget"),
        Resource("usd", "usd", "budget"),
    )
}
"""The resources that the product knows by name; `sro.toml` may name more."""

PARTS: dict[Unit, int] = {
    "core": 1_000_000,
    "byte": 1,
    "byte/s": 1,
    "device": 1_000,
    "token": 1,
    "call": 1,
    "cycle": 1,
    "usd": 1_000_000,
    "slot": 1,
}
"""Smallest parts in one unit. The ledger counts in whole parts, so that sums are exact."""

MOST_PARTS = 2**53
"""More cannot be counted exactly by a double, so nothing larger is leased."""

MOST_COUNTED = 2**61
"""Where a pool without a limit stops counting: sums of parts fit the store's 64-bit integers."""

_PREFIXES = {"ki": 2.0**10, "mi": 2.0**20, "gi": 2.0**30, "ti": 2.0**40} | {
    "k": 1e3,
    "m": 1e6,
    "g": 1e9,
    "t": 1e12,
}
_BYTES = {"b": 1.0} | {f"{prefix}b": factor for prefix, factor in _PREFIXES.items()}
_COUNTS = {"": 1.0, "k": 1e3, "m": 1e6}


def _counted(word: str) -> dict[str, float]:
    """Suffixes of something that is counted: `k`, `call`, `calls`, `kcalls`."""
    return {
        prefix + end: factor for prefix, factor in _COUNTS.items() for end in ("", word, f"{word}s")
    }


_FACTORS: dict[Unit, dict[str, float]] = {
    "core": {"core": 1.0, "cores": 1.0, "cpu": 1.0, "cpus": 1.0, "m": 1e-3},
    "byte": _BYTES | _PREFIXES | {"byte": 1.0, "bytes": 1.0},
    "byte/s": {f"{unit}/s": factor for unit, factor in _BYTES.items()}
    | {"kbit/s": 125.0, "mbit/s": 125e3, "gbit/s": 125e6},
    "device": {"device": 1.0, "devices": 1.0, "gpu": 1.0, "gpus": 1.0},
    "token": _counted("token"),
    "call": _counted("call"),
    "cycle": _counted("cycle"),
    "usd": {"": 1.0, "usd": 1.0},
    "slot": _counted("slot"),
}

_EXAMPLES: dict[Unit, str] = {
    "core": '25 (percent of the machine), "2 cores" or "500m"',
    "byte": '25 (percent), "8 GiB", "500 MB" or a guaranteed-burst range "2-6 GiB"',
    "byte/s": '25 (percent), "10 MB/s" or "100 Mbit/s"',
    "device": '100 (percent) or "1 gpu"',
    "token": '50000 or "50k"',
    "call": '500 or "5k calls"',
    "cycle": '3 or "3 cycles"',
    "usd": '0.5 or "0.50 usd"',
    "slot": '1 or "1 slot"',
}

_GROUPS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_NUMBER = r"(?:\d+(?:\.\d+)?|\.\d+)(?:e[+-]?\d{1,3})?"
_AMOUNT = re.compile(
    rf"\s*(?P<dollar>\$)?\s*(?P<low>{_NUMBER})\s*(?:-\s*(?P<high>{_NUMBER}))?"
    r"\s*(?P<suffix>[a-z/%]*(?:\s+[a-z]+)?)\s*\Z",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Amount:
    """How much of a resource, in its unit.

    Attributes:
        guaranteed: The part that a lease reserves.
        burst: The most that a range allows, or None when no range was given.
    """

    guaranteed: float
    burst: float | None = None


@lru_cache(maxsize=4096, typed=True)
def parse_amount(
    value: float | str,
    *,
    resource: Resource,
    capacity: float | None,
    allow_zero: bool = False,
) -> Amount:
    """Read an amount as an agent wrote it.

    Args:
        value: A number, or text such as `"2 cores"`, `"25 %"`, `"2-6 GiB"`.
        resource: What is asked for.
        capacity: The whole of it on this machine, in its unit; None when it is not known, and then
            a percentage cannot be read.
        allow_zero: Whether nothing at all is an amount, as it is of what was used.

    Returns:
        The amount in the unit of the resource.

    Raises:
        InvalidRequestError: Not a positive, finite amount of this resource that can be counted.
    """
    low, high, suffix = _split(value, resource)
    factor = _factor(suffix, value, resource, capacity)
    guaranteed = low * factor
    burst = None if high is None else high * factor
    if not math.isfinite(guaranteed) or guaranteed < 0 or (guaranteed == 0 and not allow_zero):
        raise _not_allowed(value, resource, "must be more than 0 and finite")
    if burst is not None and not guaranteed <= burst < math.inf:
        raise _not_allowed(value, resource, "the burst is below the guaranteed part")
    if max(guaranteed, burst or 0) * PARTS[resource.unit] > MOST_PARTS:
        raise _not_allowed(value, resource, "that is too large to count")
    return Amount(guaranteed=guaranteed, burst=burst)


def _split(value: float | str, resource: Resource) -> tuple[float, float | None, str]:
    """The number or range, and the suffix in lower case without blanks."""
    if isinstance(value, str):
        match = _AMOUNT.match(_GROUPS.sub("", value)) if len(value) <= 64 else None
        if match is None or (match["dollar"] and resource.unit != "usd"):
            raise _not_allowed(value, resource, "that is no amount")
        high = match["high"]
        suffix = "".join(match["suffix"].lower().split())
        return float(match["low"]), None if high is None else float(high), suffix
    if isinstance(value, bool):
        raise _not_allowed(value, resource, "that is no amount")
    try:
        return float(value), None, ""
    except OverflowError:
        raise _not_allowed(math.inf, resource, "must be more than 0 and finite") from None


def _factor(suffix: str, value: float | str, resource: Resource, capacity: float | None) -> float:
    """Units of the resource in one of what the suffix names."""
    if suffix == "%" or (suffix == "" and resource.percent):
        if capacity is None:
            raise _not_allowed(value, resource, "a percentage needs a known capacity")
        return capacity / 100
    try:
        return _FACTORS[resource.unit][suffix]
    except KeyError:
        raise _not_allowed(value, resource, f"{suffix!r} is not a unit of it") from None


def _not_allowed(value: object, resource: Resource, problem: str) -> InvalidRequestError:
    shown = repr(value)[:40]
    return InvalidRequestError(
        f"{resource.name} {shown}: {problem}; write for example {_EXAMPLES[resource.unit]}. "
        "Nothing was changed",
        field=f"resources.{resource.name}",
    )


def to_parts(amount: float, unit: Unit) -> int:
    """The whole parts in an amount, rounded down.

    Args:
        amount: In the unit, at least 0 and finite.
        unit: What one of it is; see `PARTS`.

    Returns:
        The largest whole number of parts that the amount holds.
    """
    return whole(amount * PARTS[unit])


def whole(parts: float) -> int:
    """Round down; what is a whole number but for a double's rounding error is that number."""
    nearest = round(parts)
    is_whole = abs(parts - nearest) <= 1e-9 * max(1.0, abs(parts))
    return nearest if is_whole else math.floor(parts)


def from_parts(parts: int, unit: Unit) -> float:
    """The amount, in the unit, that so many parts are."""
    return parts / PARTS[unit]


def format_amount(amount: float, unit: Unit) -> str:
    """An amount for people, in absolute units: `2.5 cores`, `0.16 core`, `4.00 GiB`, `$0.50`."""
    if unit in ("byte", "byte/s"):
        return _format_bytes(amount) + unit.removeprefix("byte")
    if unit == "usd":
        return f"${amount:,.2f}" if amount >= 0.01 or amount == 0 else f"${amount:.6f}"
    number = f"{amount:,.0f}" if amount >= 100 or amount == int(amount) else f"{amount:.3g}"
    return f"{number} {unit}" if 0 < amount <= 1 else f"{number} {unit}s"


def _format_bytes(amount: float) -> str:
    for factor, name in ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if amount >= factor:
            return f"{amount / factor:.2f} {name}"
    return f"{amount:.0f} B"
