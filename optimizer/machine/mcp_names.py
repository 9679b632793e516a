"""Which command line is an MCP server, and of which server. Pure.

The rule: the program, or what a launcher such as npx, uvx, python or docker is told to run, has the
word `mcp` or `modelcontextprotocol` in its name, in the name of its package, or, where the file is
called index, main, cli or server, in the name of the folder that it is in. Arguments do not count:
an editor that opens mcp.json is no server. A server whose name does not say so is not counted, so
that no count is ever too high.
"""

import re
from collections.abc import Sequence

_RUNTIMES = frozenset({"node", "nodejs", "bun", "deno", "python"})
_INSTALLERS = frozenset({"npx", "npm", "bunx", "pnpm", "yarn", "uv", "uvx", "pipx"})
_CONTAINERS = frozenset({"docker", "podman"})
_SHELLS = frozenset({"sh", "bash", "dash", "zsh"})
_WRAPPERS = frozenset({"cmd", "env", "sudo", "nice", "timeout", "tini", "dumb-init"})

LAUNCHERS = _RUNTIMES | _INSTALLERS | _CONTAINERS | _SHELLS | _WRAPPERS
"""Programs that run another that their arguments name."""

_SUBCOMMANDS = frozenset({"exec", "x", "run", "tool", "dlx", "start", "--", "cmd"})
_FILES = frozenset({"index", "main", "cli", "server", "app", "start", "stdio", "__main__"})
_FOLDERS = frozenset({"dist", "build", "src", "bin", "lib", "out"})
_SUFFIX = re.compile(r"\.(m?js|cjs|ts|py|exe|jar)$")
_VERSION = re.compile(r"(?<=.)(@[^/]*|==[^/]*|:[\w.-]+)$")
_SAYS_MCP = re.compile(r"(^|[^a-z0-9])(mcp|modelcontextprotocol)([^a-z0-9]|$)")
_FILLER = re.compile(r"(^|(?<=[^a-z0-9]))(mcp|server|modelcontextprotocol)(?=[^a-z0-9]|$)")


def program_of(argv: Sequence[str]) -> str:
    """The last part of a program's path, without a version: python3.11 is python."""
    name = (argv[0] if argv else "").rsplit("/", 1)[-1].lower()
    return re.sub(r"[\d.]+$", "", name) if name.startswith("python") else name


def server_name(argv: Sequence[str]) -> str | None:
    """The MCP server that a command line runs.

    Args:
        argv: The words of the command line. A program that renames itself, as npm does, leaves one
            word with blanks, which is parted again.

    Returns:
        A short name, the same for all ways to start one server: `playwright` for
        `npx @playwright/mcp@latest` and for `node …/.bin/mcp-server-playwright`. None when the
        command line does not say that it is one.
    """
    words = argv[0].split() if len(argv) == 1 else list(argv)
    if not words:
        return None
    target = _target(words)
    if target is None:
        return None
    named = _named(target)
    return _short(named) if _SAYS_MCP.search(named) else None


def is_launcher(argv: Sequence[str]) -> bool:
    """Whether a command line only runs another one."""
    words = argv[0].split() if len(argv) == 1 else argv
    return program_of(words) in LAUNCHERS


def _target(words: Sequence[str]) -> str | None:
    """What is run in the end: a path, a package, a module or an image."""
    program = program_of(words)
    if program not in LAUNCHERS:
        return words[0]
    rest = words[1:]
    if program in _CONTAINERS:
        return next((word for word in rest if word.startswith("mcp/")), None)
    if program in _SHELLS and "-c" in rest[:-1]:
        return _target(rest[rest.index("-c") + 1].split() or [""])
    for place, word in enumerate(rest):
        if word.startswith("-") or word in _SUBCOMMANDS or "=" in word.split("/")[0]:
            continue
        return _target(rest[place:]) if program_of([word]) in LAUNCHERS else word
    return None


def _named(target: str) -> str:
    """The package of a path below node_modules; else the file, or its first telling folder."""
    path = _SUFFIX.sub("", target.lower().replace("\\", "/"))
    if "node_modules/" in path and "/.bin/" not in path:
        parts = path.rsplit("node_modules/", 1)[1].split("/")
        return "/".join(parts[: 2 if parts[0].startswith("@") else 1])
    path = _VERSION.sub("", path)
    if path.startswith(("@", "mcp/")):
        return path
    parts = [part for part in path.split("/") if part]
    return next((part for part in reversed(parts) if part not in _FILES | _FOLDERS), "")


def _short(named: str) -> str:
    """Without scope, `mcp` and `server`; the scope where nothing else is left."""
    scope, _, package = named.rpartition("/")
    for part in (package, scope):
        words = re.split(r"[^a-z0-9]+", _FILLER.sub("", part))
        if any(words):
            return "-".join(word for word in words if word)
    return "mcp"
