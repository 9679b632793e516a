"""Files as the hosts write them, and what of them may be seen."""

import json
from pathlib import Path
from typing import Any

import pytest

from optimizer.catalog.configured import Candidates, allowed_servers, configured_servers
from optimizer.catalog.host_configs import HostConfig, read_host_config
from optimizer.catalog.servers import scrubbed
from optimizer.errors import ConfigurationError

CANARY = "canary-5f1b22c9"


def read(folder: Path, document: Any, **options: Any) -> HostConfig:
    path = folder / "mcp.json"
    text = document if isinstance(document, str) else json.dumps(document)
    path.write_text(text, encoding="utf-8")
    return read_host_config(path, environment=options.pop("environment", {}), **options)


FILES = {"command": "npx", "args": ["-y", "@modelcontextprotocol/server-filesystem", "/data"]}


@pytest.mark.parametrize(
    "document",
    [
        {"mcpServers": {"files": FILES}},
        {"servers": {"files": FILES | {"type": "stdio"}}},
        {"editor.fontSize": 12, "mcp": {"servers": {"files": FILES}}},
        '// VS Code allows this\n{"servers": {"files": {"command": "npx", /* and */ "args": '
        '["-y", "@modelcontextprotocol/server-filesystem", "/data",],},},}',
    ],
    ids=["claude, cursor", "vscode mcp.json", "vscode settings.json", "with comments"],
)
def test_the_servers_of_every_host_are_read(tmp_path: Path, document: Any) -> None:
    [server] = read(tmp_path, document).servers

    assert (server.id, server.argv) == ("files", ("npx", *FILES["args"]))
    assert server.shown == "npx -y @modelcontextprotocol/server-filesystem /data"


def test_a_comment_sign_inside_a_text_is_no_comment(tmp_path: Path) -> None:
    [server] = read(tmp_path, {"servers": {"web": {"url": "https://x.example/mcp"}}}).servers

    assert server.url == "https://x.example/mcp"


def test_placeholders_are_filled_or_named(tmp_path: Path) -> None:
    entry = {
        "command": "${env:HOME_OF_SERVERS}/serve",
        "args": ["--key", "${input:key}", "${LEVEL:-info}", "${workspaceFolder}/data"],
        "env": {"TOKEN": "${env:ABSENT}", "PLAIN": "${input:region}"},
    }
    inputs = [{"id": "region", "type": "promptString", "default": "eu-central"}]

    [server] = read(
        tmp_path,
        {"servers": {"x": entry}, "inputs": inputs},
        environment={"HOME_OF_SERVERS": "/opt"},
    ).servers

    assert server.argv == ("/opt/serve", "--key", "${input:key}", "info", f"{tmp_path}/data")
    assert server.env["PLAIN"] == "eu-central"
    assert server.unresolved == ("input:key", "env:ABSENT")


def test_an_input_that_is_given_is_a_secret(tmp_path: Path) -> None:
    entry = {"command": "serve", "args": ["${input:key}"]}

    [server] = read(tmp_path, {"servers": {"x": entry}}, inputs={"key": CANARY}).servers

    assert server.argv == ("serve", CANARY)
    assert server.shown == "serve ${input:key}"
    assert CANARY in server.secrets


@pytest.mark.parametrize(
    "entry",
    [
        {"command": "s", "env": {"API_KEY": CANARY}},
        {"command": "s", "args": ["--api-key", CANARY]},
        {"command": "s", "args": [f"--token={CANARY}"]},
        {"command": "s", "args": [f"postgresql://me:{CANARY}@db/x"]},
        {"url": "https://x.example/mcp", "headers": {"Authorization": f"Bearer {CANARY}"}},
        {"url": f"https://x.example/mcp?key={CANARY}"},
        {"url": f"https://me:{CANARY}@x.example/mcp"},
        {"url": f"https://x.example/{CANARY}/mcp"},
    ],
)
def test_a_secret_is_neither_shown_nor_left_in_what_a_server_says(
    tmp_path: Path, entry: dict[str, Any]
) -> None:
    [server] = read(tmp_path, {"mcpServers": {"x": entry}}).servers

    assert CANARY not in f"{server} {server.shown}"
    said = {"name": f"of {CANARY}", "tools": [{CANARY: f"Bearer {CANARY}"}]}
    assert CANARY not in json.dumps(scrubbed(said, server.secrets))


def test_a_key_is_known_by_its_looks(tmp_path: Path) -> None:
    entry = {"command": "s", "args": [f"sk-{CANARY}", "ghp_0123456789abcdef"]}

    [server] = read(tmp_path, {"mcpServers": {"x": entry}}).servers

    assert server.shown == "s *** ***"


def test_an_entry_that_cannot_be_used_is_left_out_with_its_reason(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        {
            "mcpServers": {
                "good": FILES,
                "off": FILES | {"disabled": True},
                "empty": {},
                "odd": {"command": "x", "args": "y"},
                "list": [],
            }
        },
    )

    assert [server.id for server in config.servers] == ["good"]
    assert config.left_out == {
        "off": "is disabled there",
        "empty": "has neither a command nor a url",
        "odd": "its args are no list",
        "list": "is no object",
    }


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"a": 1}', "[" * 100_000])
def test_a_file_that_holds_no_servers_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError):
        read(tmp_path, text)


def test_a_broken_file_leaves_out_its_own_servers_only(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps({"mcpServers": {"a": FILES, "b": FILES}}), encoding="utf-8")
    bad.write_text("{", encoding="utf-8")
    candidates = Candidates(
        host_configs=(str(bad), str(good), str(tmp_path / "absent.json")),
        servers={"a": {"command": "mine"}},
    )

    config = configured_servers(candidates, {})

    assert {server.id: server.source for server in config.servers} == {
        "a": "sro.toml",
        "b": str(good),
    }
    assert set(config.left_out) == {str(bad), str(tmp_path / "absent.json"), f"a of {good}"}


def test_only_servers_of_the_allow_list_may_be_started_unattended() -> None:
    candidates = Candidates(
        servers={"a": {"command": "x"}, "b": {"command": "y"}}, may_profile=frozenset(("a", "c"))
    )

    servers, refused = allowed_servers(["a", "b", "c"], candidates)

    assert [server.id for server in servers] == ["a"]
    assert "allow-list" in refused["b"]
    assert refused["c"] == "no configuration names it"
