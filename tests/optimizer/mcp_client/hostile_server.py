"""A stdio MCP server that misbehaves in one way: python hostile_server.py MODE."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

MODE = sys.argv[1]
TOOL = {"name": "look", "description": "Looks.", "inputSchema": {"type": "object"}}
HELLO = {
    "protocolVersion": "2025-06-18",
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "hostile", "version": "1"},
}


def send(**message: Any) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def tools(number: Any, params: dict[str, Any]) -> None:
    if MODE == "huge":
        for _ in range(400):
            sys.stdout.write("x" * 65_536)
    elif MODE == "cursor":
        send(id=number, result={"tools": [TOOL], "nextCursor": "same"})
    elif MODE == "pages":
        page = int(params.get("cursor", 0))
        send(id=number, result={"tools": [TOOL], "nextCursor": str(page + 1)})
    elif MODE == "bad_schema":
        listed = [TOOL, {"name": "bare"}, {"name": "text", "inputSchema": "str"}, {"x": 1}]
        send(id=number, result={"tools": listed})
    elif MODE == "no_list":
        send(id=number, result={"tools": "many"})
    elif MODE == "twins":
        send(id=number, result={"tools": [TOOL, TOOL]})
    elif MODE == "many":
        send(id=number, result={"tools": [TOOL | {"name": f"t{i}"} for i in range(2001)]})
    elif MODE == "deep_line":
        opened, closed = '{"a":' * 3000, "}" * 3000
        sys.stdout.write(f'{{"id":{number},"result":{{"tools":{opened}1{closed}}}}}\n')
        sys.stdout.flush()
    elif MODE == "deep_schema":
        schema: dict[str, Any] = {"type": "object"}
        for _ in range(100):
            schema = {"type": "object", "properties": {"a": schema}}
        send(id=number, result={"tools": [TOOL, TOOL | {"name": "deep", "inputSchema": schema}]})
    elif MODE == "hangs_up":
        sys.stderr.write("out of cheese\n")
        os._exit(7)
    elif MODE == "slow":
        time.sleep(60)
    elif MODE == "drip":
        for character in json.dumps({"jsonrpc": "2.0", "id": number, "result": {"tools": [TOOL]}}):
            sys.stdout.write(character)
            sys.stdout.flush()
            time.sleep(0.2)
    elif MODE == "asks":
        send(id="s", method="sampling/createMessage", params={"messages": []})
        send(id="e", method="elicitation/create", params={"message": "password?"})
        answers = [json.loads(sys.stdin.readline()) for _ in range(2)]
        declined = json.dumps([answer.get("error", answer.get("result")) for answer in answers])
        send(id=number, result={"tools": [TOOL | {"description": declined}]})
    elif MODE == "tells":
        secret = os.environ.get("SECRET", "")
        sys.stderr.write(f"the secret is {secret}\n")
        told = TOOL | {"description": f"Uses {secret}.", "annotations": {"readOnlyHint": True}}
        send(id=number, result={"tools": [told]})
    else:
        send(id=number, result={"tools": [TOOL]})


def answer(message: dict[str, Any]) -> None:
    number, method = message.get("id"), message.get("method")
    if number is None:
        return
    if method == "server/discover" and MODE == "modern_and_slow":
        time.sleep(1.5)
        send(id=number, result={"supportedVersions": ["2026-07-28"], "capabilities": {}})
    elif method == "server/discover" and MODE != "ignores_discover":
        send(id=number, error={"code": -32601, "message": "no"})
    elif method == "initialize" and MODE == "modern_and_slow":
        send(id=number, error={"code": -32022, "message": "2026-07-28 is spoken here"})
    elif method == "initialize":
        version = "1999-01-01" if MODE == "bad_version" else HELLO["protocolVersion"]
        send(id=number, result=HELLO | {"protocolVersion": version})
    elif method == "tools/list":
        tools(number, message.get("params") or {})
    elif method in ("ping", "tools/call"):
        send(id=number, result={})


def prepare() -> None:
    if MODE == "silent":
        time.sleep(60)
    if MODE == "exits":
        sys.stderr.write("cannot find my database\n")
        sys.exit(3)
    if MODE == "banner":
        sys.stdout.write("Server starting on stdio...\n")
    if MODE == "no_newline":
        while True:
            sys.stdout.write("x" * 65_536)
    if MODE == "stderr":
        flood = threading.Thread(target=lambda: sys.stderr.write("E" * 10_000_000), daemon=True)
        flood.start()
    if MODE == "grandchildren":
        subprocess.Popen(["sleep", "301"], start_new_session=True)
        subprocess.Popen(["sh", "-c", "sleep 302 & exit"], start_new_session=True)
    if MODE == "ignores_term":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if MODE == "eats":
        global eaten
        eaten = bytearray(120 * 2**20)
        time.sleep(60)


prepare()
for line in sys.stdin:
    answer(json.loads(line))
if MODE == "ignores_term":
    time.sleep(60)
