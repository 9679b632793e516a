"""Limits on the copies of MCP servers, written into sro.toml as pools (I/O)."""

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path

from optimizer.errors import ConfigurationError
from server.cli.files import replace_file
from server.views import Json


def limit_copies(servers: Sequence[str], copies: int, file: Path) -> Json:
    """Write a pool for each server that has none; a daemon counts by them from its next start.

    Args:
        servers: Ids, as `sro run --mcp` knows them.
        copies: Most copies of each at once.
        file: The sro.toml.

    Returns:
        What was done: `limited` and `as_before` together are the servers.

    Raises:
        ConfigurationError: The file cannot be read or written; it is as it was.
    """
    names = {server: json.dumps(f"mcp:{server}", ensure_ascii=False) for server in servers}
    try:
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        pools = tomllib.loads(text).get("pools", {})
        limited = [server for server in servers if f"mcp:{server}" not in pools]
        if limited:
            tables = "".join(f"\n[pools.{names[each]}]\ncapacity = {copies}\n" for each in limited)
            tomllib.loads(text + tables)
            replace_file(file, text + tables, keep_mode=True)
    except (OSError, ValueError) as error:
        by_hand = ", ".join(f"pools.{name}.capacity = {copies}" for name in names.values())
        raise ConfigurationError(
            setting=str(file),
            problem=f"cannot take the limit on copies ({error})",
            fix=f"write into it yourself: {by_hand}",
        ) from None
    return {
        "copies": copies,
        "file": str(file),
        "limited": limited,
        "as_before": [server for server in servers if server not in limited],
    }
