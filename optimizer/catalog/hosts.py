"""Programs that start MCP servers, and where each keeps its configuration."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType


@dataclass(frozen=True)
class Host:
    """A program that starts MCP servers.

    Attributes:
        title: How people call it.
        folders: Where its configuration lies on each platform, below the user's home folder.
        file: Name of the file in that folder.
        key: The member of the file that holds the servers.
        typed: Whether an entry says its transport.
    """

    title: str
    folders: Mapping[str, str]
    file: str
    key: str = "mcpServers"
    typed: bool = False

    def path(self, *, home: Path, platform: str) -> Path:
        """The configuration file of this host for one user."""
        return home / self.folders.get(platform, self.folders["linux"]) / self.file


HOSTS: Mapping[str, Host] = MappingProxyType(
    {
        "claude": Host(
            title="Claude Desktop",
            folders={
                "linux": ".config/Claude",
                "darwin": "Library/Application Support/Claude",
                "win32": "AppData/Roaming/Claude",
            },
            file="claude_desktop_config.json",
        ),
        "cursor": Host(title="Cursor", folders={"linux": ".cursor"}, file="mcp.json"),
        "vscode": Host(
            title="VS Code",
            folders={
                "linux": ".config/Code/User",
                "darwin": "Library/Application Support/Code/User",
                "win32": "AppData/Roaming/Code/User",
            },
            file="mcp.json",
            key="servers",
            typed=True,
        ),
    }
)
