"""A configured MCP server: how it is reached, and what of that may be shown."""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

MASK = "***"
LEAST_SECRET = 6
"""Shorter values are words such as `true` and `info`, which would blot out every text."""

_SECRET_NAME = re.compile(r"(?i)(token|key|secret|passw|auth|credential|bearer|cookie)")
_SECRET_VALUE = re.compile(r"\b(sk|pk|ghp|gho|ghs|github_pat|glpat|xox[abp]|AKIA|eyJ)[-_\w]{8,}")
_PLACEHOLDER = re.compile(r"^\$\{[^}]*\}$")


@dataclass(frozen=True)
class ConfiguredServer:
    """A server as a host's configuration names it.

    Attributes:
        id: Its name there.
        source: The file, or `sro.toml`.
        argv: The program and its arguments; empty for a server at a URL.
        env: What is added to its environment. Secret.
        cwd: Its working folder.
        url: Its address; None for a command. May hold secrets.
        headers: What requests to it carry. Secret.
        shown: The command or the origin of the URL, as written, with secrets masked.
        unresolved: Placeholders without a value, such as `input:api-key`.
        written: The entry as it stands in the file. May hold secrets.
        filled_in: Values that stand where placeholders stood. Secret.
    """

    id: str
    source: str
    argv: tuple[str, ...] = field(default=(), repr=False)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: Path | None = None
    url: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    shown: str = ""
    unresolved: tuple[str, ...] = ()
    written: Mapping[str, Any] = field(default_factory=dict, repr=False)
    filled_in: tuple[str, ...] = field(default=(), repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that may appear nowhere, longest first."""
        found = [*self.env.values(), *_of_headers(self.headers), *_of_arguments(self.argv)]
        found += self.filled_in
        if self.url is not None:
            found += _of_url(self.url)
        return tuple(sorted({each for each in found if len(each) >= LEAST_SECRET}, key=len))[::-1]


def shown_command(argv: Sequence[str]) -> str:
    """A command line with its secrets masked, to be read and compared by people."""
    hidden = set(_of_arguments(argv))
    return " ".join(_shown_word(word, hidden) for word in argv)


def shown_origin(url: str) -> str:
    """Scheme and host of a URL: its path may hold a secret too."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def scrubbed(value: Any, secrets: Sequence[str]) -> Any:
    """The same data without any of the secrets, in keys and texts at every depth."""
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, MASK)
        return value
    if isinstance(value, Mapping):
        return {scrubbed(key, secrets): scrubbed(each, secrets) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [scrubbed(each, secrets) for each in value]
    return value


def _shown_word(word: str, hidden: Iterable[str]) -> str:
    for secret in sorted(hidden, key=len, reverse=True):
        word = word.replace(secret, MASK)
    return word if _PLACEHOLDER.match(word) or MASK in word else shlex.quote(word)


def _of_arguments(argv: Sequence[str]) -> list[str]:
    """Values of options that sound secret, passwords in URLs, and keys that look like keys."""
    found = []
    for before, word in zip(("", *argv), argv, strict=False):
        name, equals, value = word.partition("=")
        if equals and _SECRET_NAME.search(name):
            found.append(value)
        elif before.startswith("-") and "=" not in before and _SECRET_NAME.search(before):
            found.append(word)
        elif "://" in word:
            found += _of_login(word)
        found += [match.group() for match in _SECRET_VALUE.finditer(word)]
    return [each for each in found if each and not _PLACEHOLDER.match(each)]


def _of_login(url: str) -> list[str]:
    """The password and the values of the query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return []
    password = parts.netloc.rpartition("@")[0].partition(":")[2]
    return [each for each in (password, *(v for _, v in parse_qsl(parts.query))) if each]


def _of_url(url: str) -> list[str]:
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    path = [part for part in parts.path.split("/") if part not in ("stream", "messages", "server")]
    query = [part for pair in parts.query.split("&") for part in pair.split("=")[1:]]
    return [login, *login.split(":"), *_of_login(url), *query, *path, parts.fragment]


def _of_headers(headers: Mapping[str, str]) -> list[str]:
    """The values, and what stands behind `Bearer`."""
    return [part for value in headers.values() for part in (value, value.partition(" ")[2])]
