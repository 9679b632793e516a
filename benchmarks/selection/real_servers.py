"""Set up eight real MCP servers, each in an environment of its own, and write their mcp.json.

    python benchmarks/selection/real_servers.py FOLDER
    sro profile --config FOLDER/mcp.json --all

Four come from npm and four from PyPI. What is there already is kept, so a second run is quick. The
measured table in docs/selection.md is made of what `sro profile --json` prints then.
"""

import json
import subprocess
import sys
from pathlib import Path

NPM = {
    "everything": ("@modelcontextprotocol/server-everything", "dist/index.js", ()),
    "memory": ("@modelcontextprotocol/server-memory", "dist/index.js", ()),
    "filesystem": ("@modelcontextprotocol/server-filesystem", "dist/index.js", ("{folder}/files",)),
    "sequential-thinking": (
        "@modelcontextprotocol/server-sequential-thinking",
        "dist/index.js",
        (),
    ),
}
PYPI = {
    "time": (("mcp-server-time",), ()),
    "git": (("mcp-server-git",), ()),
    "fetch": (("mcp-server-fetch",), ()),
    "sqlite": (("mcp-server-sqlite",), ("--db-path", "{folder}/files/test.db")),
    "sqlite-mcp1": (("mcp-server-sqlite", "mcp<2"), ("--db-path", "{folder}/files/test.db")),
}
"""Id to package, entry point or further requirements, and arguments. mcp-server-sqlite does not say
that it needs mcp 1, so it is there with the mcp that pip takes, and once more with mcp 1."""


def set_up(folder: Path) -> dict[str, dict[str, object]]:
    """Install what is missing.

    Returns:
        Id to the entry of mcp.json.
    """
    (folder / "files").mkdir(parents=True, exist_ok=True)
    entries: dict[str, dict[str, object]] = {}
    for identifier, (package, script, arguments) in NPM.items():
        home = folder / identifier
        if not (home / "node_modules").is_dir():
            home.mkdir(exist_ok=True)
            _run("npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", home, package)
        path = home / "node_modules" / package / script
        entries[identifier] = _entry("node", path, *arguments, folder=folder)
    for identifier, (requirements, arguments) in PYPI.items():
        home, package = folder / identifier, requirements[0]
        if not (home / "bin" / package).is_file():
            _run(sys.executable, "-m", "venv", home)
            _run(home / "bin" / "python", "-m", "pip", "install", "--quiet", *requirements)
        entries[identifier] = _entry(home / "bin" / package, *arguments, folder=folder)
    return entries


def _entry(command: object, *arguments: object, folder: Path) -> dict[str, object]:
    filled = [str(argument).replace("{folder}", str(folder)) for argument in arguments]
    return {"command": str(command), "args": filled}


def _run(*command: object) -> None:
    subprocess.run([str(word) for word in command], check=True)


def main(path: str) -> None:
    """Set up, and write mcp.json."""
    folder = Path(path).resolve()
    config = {"mcpServers": set_up(folder)}
    (folder / "mcp.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    print(folder / "mcp.json")


if __name__ == "__main__":
    main(sys.argv[1])
