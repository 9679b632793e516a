"""Configuration files of MCP hosts: mcp.json, Claude Desktop, VS Code, Cursor (I/O).

`${env:NAME}`, `${NAME}` and `${NAME:-default}` are taken from the environment, `${input:ID}` from
what the operator gives or the input's default, and `${workspaceFolder}` and `${userHome}` from
where the file lies. What has no value stays as it is and is named in `unresolved`.
"""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from optimizer.catalog.hosts import HOSTS
from optimizer.catalog.servers import ConfiguredServer, shown_command, shown_origin
from optimizer.errors import ConfigurationError

MAX_FILE_BYTES = 4 * 2**20
MAX_ID = 200
PLACES = ("workspaceFolder", "userHome")

_PLACEHOLDER = re.compile(r"\$\{(?:(env|input):)?([A-Za-z_][\w.-]*)(?::-([^}]*))?\}")
_NOT_CODE = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_TRAILING_COMMA = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])', re.DOTALL)


@dataclass(frozen=True)
class HostConfig:
    """What a configuration file holds.

    Attributes:
        servers: Those that can be used.
        left_out: Name of every other entry, to the reason.
        key: The member of the file that holds the servers.
        inputs: What VS Code asks for, as it stands in the file.
    """

    servers: tuple[ConfiguredServer, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    key: str = "mcpServers"
    inputs: Sequence[Any] = field(default=(), repr=False)


def host_config_path(named: str) -> Path:
    """A configuration file by its path, or by its host: claude, cursor, vscode."""
    if named in HOSTS:
        return HOSTS[named].path(home=Path.home(), platform=sys.platform)
    return Path(named).expanduser()


def read_host_config(
    path: Path, *, environment: Mapping[str, str], inputs: Mapping[str, str] | None = None
) -> HostConfig:
    """Read the servers of a configuration file; comments and trailing commas are allowed.

    Args:
        path: The file.
        environment: Where `${env:NAME}` is looked up.
        inputs: Values of `${input:ID}`.

    Raises:
        ConfigurationError: The file cannot be read, or holds no servers.
    """
    document = _read(path)
    entries = _entries(document, path)
    defaults = {
        each["id"]: str(each["default"])
        for each in document.get("inputs") or ()
        if isinstance(each, Mapping) and "id" in each and "default" in each
    }
    folder = path.resolve().parent
    workspace = folder.parent if folder.name in (".vscode", ".cursor") else folder
    values = _Values(
        environment=environment,
        inputs=defaults | dict(inputs or {}),
        places=dict(zip(PLACES, (str(workspace), str(Path.home())), strict=True)),
    )
    servers: list[ConfiguredServer] = []
    left_out: dict[str, str] = {}
    for name, entry in entries.items():
        problem = _problem(name, entry)
        if problem:
            left_out[name[:MAX_ID]] = problem
        else:
            servers.append(configured_server(name, entry, source=str(path), values=values))
    key = "mcpServers" if "mcpServers" in document else "servers"
    return HostConfig(tuple(servers), left_out, key, document.get("inputs") or ())


@dataclass(frozen=True)
class _Values:
    """Where placeholders find their values."""

    environment: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)

    def of(self, kind: str | None, name: str, default: str | None) -> str | None:
        if kind == "input":
            return self.inputs.get(name)
        if kind is None and name in self.places:
            return self.places[name]
        return self.environment.get(name, default)


def configured_server(
    name: str, entry: Mapping[str, Any], *, source: str, values: _Values | None = None
) -> ConfiguredServer:
    """An entry of a configuration as a server; `entry` was checked."""
    unresolved: dict[str, None] = {}
    filled_in: list[str] = []

    def resolve(text: object) -> str:
        def value(match: re.Match[str]) -> str:
            kind, key, default = match.groups()
            found = (values or _Values()).of(kind, key, default)
            if found is None:
                unresolved[f"{kind or 'env'}:{key}"] = None
                return match.group()
            if key not in PLACES:
                filled_in.append(found)
            return found

        return _PLACEHOLDER.sub(value, str(text))

    written = [str(word) for word in (entry.get("command"), *entry.get("args", ())) if word]
    url = entry.get("url") or entry.get("serverUrl")
    cwd = entry.get("cwd")
    return ConfiguredServer(
        id=name,
        source=source,
        argv=() if url else tuple(map(resolve, written)),
        env={key: resolve(value) for key, value in (entry.get("env") or {}).items()},
        cwd=None if cwd is None else Path(resolve(cwd)).expanduser(),
        url=resolve(url) if url else None,
        headers={key: resolve(value) for key, value in (entry.get("headers") or {}).items()},
        shown=shown_origin(str(url)) if url else shown_command(written),
        unresolved=tuple(unresolved),
        written=entry,
        filled_in=tuple(filled_in),
    )


def _read(path: Path) -> dict[str, Any]:
    def wrong(problem: str) -> ConfigurationError:
        fix = "name the configuration file of an MCP host, such as mcp.json"
        return ConfigurationError(setting=str(path), problem=problem, fix=fix)

    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise wrong(f"has more than {MAX_FILE_BYTES} bytes")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise wrong(f"cannot be read ({reason})") from None
    try:
        document = json.loads(_plain_json(text))
    except ValueError as error:
        # The message of a JSON error names a place, and quotes nothing of the file.
        raise wrong(f"is not JSON ({error})") from None
    except RecursionError:
        raise wrong("is nested too deeply") from None
    if not isinstance(document, dict):
        raise wrong("does not hold an object")
    return document


def _plain_json(text: str) -> str:
    """Without the comments and trailing commas that VS Code allows."""

    def keep_texts(match: re.Match[str]) -> str:
        return match.group() if match.group().startswith('"') else " "

    return _TRAILING_COMMA.sub(lambda m: m.group(1) or "", _NOT_CODE.sub(keep_texts, text))


def _entries(document: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    inside = document.get("mcp")
    for holder, key in ((document, "mcpServers"), (document, "servers"), (inside, "servers")):
        found = holder.get(key) if isinstance(holder, Mapping) else None
        if isinstance(found, Mapping):
            return found
    raise ConfigurationError(
        setting=str(path),
        problem='holds neither "mcpServers" nor "servers"',
        fix="name the configuration file of an MCP host, such as mcp.json",
    )


def _problem(name: str, entry: object) -> str | None:
    """Why an entry cannot be used; None when it can."""
    if not isinstance(entry, Mapping):
        return "is no object"
    if not 0 < len(name) <= MAX_ID or not name.isprintable():
        return f"its name is not 1 to {MAX_ID} printable characters"
    if entry.get("disabled") is True or entry.get("enabled") is False:
        return "is disabled there"
    url, command = entry.get("url") or entry.get("serverUrl"), entry.get("command")
    if not (isinstance(url, str) or isinstance(command, str)):
        return "has neither a command nor a url"
    args: object = entry.get("args", [])
    if not isinstance(args, Sequence) or isinstance(args, str):
        return "its args are no list"
    for key in ("env", "headers"):
        if not isinstance(entry.get(key) or {}, Mapping):
            return f"its {key} is no object"
    return None
