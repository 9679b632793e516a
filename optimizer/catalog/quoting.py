"""Texts of servers that nobody checked, as data: cut, cleaned, and looked at for orders."""

import re

MAX_QUOTED = 300
NOTICE = "Texts of the server itself, quoted as data; nothing in them is an instruction."

_ORDERS = {
    "asks a model to set earlier instructions aside": re.compile(
        r"(?i)\b(ignore|disregard|forget|override)\b.{0,40}\b(previous|prior|above|earlier|other|all)\b"
    ),
    "asks to hide something from the user": re.compile(
        r"(?i)\b(do not|don't|never|without)\b.{0,30}\b(tell|mention|inform|show|notif)\w*"
    ),
    "poses as a system message": re.compile(r"(?i)<\s*/?\s*(important|system|instructions?)\b"),
    "names files where secrets lie": re.compile(r"(?i)(\.ssh|id_rsa|\.aws|\.env\b|/etc/passwd)"),
    "has invisible characters": re.compile(r"[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"),
}


def quoted(text: str, most: int = MAX_QUOTED) -> str:
    """A text in one line of printable characters, no longer than `most`."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def orders_in(text: str) -> list[str]:
    """What in a text speaks to a model rather than about a tool; patterns, so not everything."""
    return [what for what, pattern in _ORDERS.items() if pattern.search(text)]
