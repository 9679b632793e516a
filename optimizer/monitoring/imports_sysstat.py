"""History from sysstat: the JSON of `sadf -j` in, arrays out. Pure.

Taken are `cpu-load` (all cores), `memory`, `queue` and `network`; what a file lacks stays unknown.
Memory in use is what is not available, as everywhere here, not sysstat's `memused`.

Source: sadf(1) and sar(1) of sysstat 12.
"""

import json
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from optimizer.errors import InvalidRequestError
from optimizer.monitoring.imports import ImportedHistory
from optimizer.monitoring.keeper import COLUMNS

LOOPBACK = "lo"

KIBIBYTE = 1024

TAKEN = (
    "cpu_usage",
    "memory_usage",
    "swap_usage",
    "load_1m",
    "load_5m",
    "load_15m",
    "network_rx_bytes_s",
    "network_tx_bytes_s",
)


def parse_sysstat(lines: Iterable[str], *, now: datetime) -> ImportedHistory:
    """Read what `sadf -j` printed for one host; its times are UTC unless it was told otherwise.

    Args:
        lines: The JSON, in any pieces.
        now: Records after this are refused.

    Raises:
        InvalidRequestError: This is not such JSON, or has no record; nothing counts.
    """
    try:
        records = json.loads("".join(lines))["sysstat"]["hosts"][0]["statistics"]
        read = [(_moment_s(record["timestamp"]), _figures(record)) for record in records if record]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidRequestError(
            f"this is not the JSON of `sadf -j` ({type(error).__name__}: {str(error)[:80]}). "
            "Nothing was imported"
        ) from None
    if not read:
        raise InvalidRequestError("sysstat recorded nothing in it. Nothing was imported")
    by_time = dict(sorted(read))
    times_s = np.array(list(by_time))
    if times_s[0] < 0 or times_s[-1] > now.timestamp():
        raise InvalidRequestError("a record is not between 1970 and now. Nothing was imported")
    values = np.full((times_s.size, len(COLUMNS)), np.nan)
    for row, figures in enumerate(by_time.values()):
        for name, value in figures.items():
            values[row, COLUMNS[name]] = value
    metrics = tuple(name for name in TAKEN if np.isfinite(values[:, COLUMNS[name]]).any())
    if not metrics:
        raise InvalidRequestError(
            "it has no figure of CPU, memory, load or network; run "
            "sadf -j FILE -- -u -r ALL -S -q LOAD -n DEV. Nothing was imported"
        )
    return ImportedHistory(times_s, values, metrics, rows=len(read))


def _moment_s(stamp: Mapping[str, Any]) -> float:
    """Seconds since 1970.

    Raises:
        ValueError: The time is a local one, of which nobody knows what it was in UTC.
    """
    if stamp.get("utc") != 1:
        raise ValueError("times are local; print them without -T and -t")
    return (
        datetime.fromisoformat(f"{stamp['date']}T{stamp['time']}").replace(tzinfo=UTC).timestamp()
    )


def _figures(record: Mapping[str, Any]) -> dict[str, float]:
    """The stored metrics of one record; one that is impossible counts as unknown."""
    found = {**_cpu(record), **_memory(record), **_load(record), **_network(record)}
    return {name: value for name, value in found.items() if _is_possible(name, value)}


def _cpu(record: Mapping[str, Any]) -> dict[str, float]:
    """Busy is neither idle nor waiting for a disk."""
    for core in record.get("cpu-load", ()):
        if core["cpu"] == "all":
            return {"cpu_usage": 100 - core["idle"] - core.get("iowait", 0)}
    return {}


def _memory(record: Mapping[str, Any]) -> dict[str, float]:
    memory = record.get("memory", {})
    found = {}
    if "avail" in memory and (total := _memory_total(memory)):
        found["memory_usage"] = 100 * max(0.0, 1 - memory["avail"] / total)
    if memory.get("swpfree", 0) + memory.get("swpused", 0):
        found["swap_usage"] = memory["swpused-percent"]
    return found


def _memory_total(memory: Mapping[str, Any]) -> float | None:
    """KiB: exactly where slab is told (`-r ALL`), else by the rounded percentage."""
    if "slab" in memory:
        parts = ("memfree", "memused", "buffers", "cached", "slab")
        return float(sum(memory[part] for part in parts))
    percent = memory.get("memused-percent")
    return memory["memused"] * 100 / percent if percent else None


def _load(record: Mapping[str, Any]) -> dict[str, float]:
    queue = record.get("queue", {})
    return {
        f"load_{minutes}m": queue[f"ldavg-{minutes}"]
        for minutes in (1, 5, 15)
        if f"ldavg-{minutes}" in queue
    }


def _network(record: Mapping[str, Any]) -> dict[str, float]:
    links = [
        link for link in record.get("network", {}).get("net-dev", ()) if link["iface"] != LOOPBACK
    ]
    if not links:
        return {}
    return {
        f"network_{way}_bytes_s": KIBIBYTE * sum(link[f"{way}kB"] for link in links)
        for way in ("rx", "tx")
    }


def _is_possible(name: str, value: float) -> bool:
    most = 100.0 if name.endswith("_usage") else math.inf
    return math.isfinite(value) and 0 <= value <= most
