"""Command lines that are MCP servers, and such that are not."""

import pytest

from optimizer.machine.mcp_names import is_launcher, server_name


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("npx -y @playwright/mcp@latest --headless", "playwright"),
        ("npm exec @playwright/mcp@latest", "playwright"),
        ("sh -c mcp-server-playwright", "playwright"),
        ("node /home/u/.npm/_npx/9f/node_modules/.bin/mcp-server-playwright", "playwright"),
        ("node /usr/lib/node_modules/@playwright/mcp/cli.js", "playwright"),
        ("npx -y @modelcontextprotocol/server-filesystem /data", "filesystem"),
        (
            "node /x/node_modules/@modelcontextprotocol/server-filesystem/dist/index.js /",
            "filesystem",
        ),
        ("npx -y @upstash/context7-mcp", "context7"),
        ("uvx mcp-server-git --repository /mcp", "git"),
        ("uv tool run mcp-server-git", "git"),
        ("/usr/bin/python3.11 -m mcp_server_fetch", "fetch"),
        ("/opt/venv/bin/python /opt/venv/bin/mcp-server-fetch", "fetch"),
        ("docker run -i --rm -e TOKEN mcp/github", "github"),
        ("/usr/local/bin/github-mcp-server stdio", "github"),
        ("node /srv/weather-mcp/dist/index.js", "weather"),
        ("env TOKEN=x npx figma-mcp", "figma"),
    ],
)
def test_a_server_has_one_name_however_it_is_started(line: str, name: str) -> None:
    assert server_name(line.split()) == name


@pytest.mark.parametrize(
    "line",
    [
        "vim /home/u/mcp-notes/mcp.json",
        "grep -r mcp .",
        "python app.py --config mcp.json",
        "node server.js",
        "docker run -it postgres",
        "tcpdump -i any",
        "/usr/bin/mcpelauncher",
        "bash",
        "",
    ],
)
def test_what_only_mentions_it_is_no_server(line: str) -> None:
    assert server_name(line.split()) is None


def test_a_program_that_renamed_itself_is_read_word_by_word() -> None:
    assert server_name(["npm exec @playwright/mcp@latest"]) == "playwright"
    assert is_launcher(["npm exec @playwright/mcp@latest"])
    assert not is_launcher(["/usr/local/bin/github-mcp-server"])
