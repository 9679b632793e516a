"""A child that plays an MCP server, good or bad, over stdio: `scripted_child.py BEHAVIOUR`.

It is the standard library alone, so that it starts in 20 ms.
"""

import json
import os
import signal
import subprocess
import sys
import time


def answer(request_id: object, result: object) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": request_id, "result": result}) + "\n")
    sys.stdout.flush()


def serve(behaviour: str) -> None:
    for line in sys.stdin:
        request = json.loads(line)
        method, request_id = request["method"], request.get("id")
        if method == "initialize":
            answer(
                request_id,
                {
                    "protocolVersion": "2025-11-25",
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "scripted", "version": "1"},
                },
            )
        elif method == "tools/list":
            names = ["sequentialthinking" if behaviour.startswith("thinks") else "echo"]
            tools = [{"name": name, "inputSchema": {"type": "object"}} for name in names]
            answer(request_id, {"tools": tools})
        elif method == "tools/call" and behaviour.startswith("thinks"):
            think(behaviour, request_id, request["params"]["arguments"])
        elif method == "tools/call":
            call(behaviour, request_id, request["params"])


def think(behaviour: str, request_id: object, thought: dict[str, object]) -> None:
    """Answer as a sequential-thinking server, and badly from the second thought on."""
    recorded = {
        "thoughtNumber": thought["thoughtNumber"],
        "totalThoughts": thought["totalThoughts"],
        "nextThoughtNeeded": thought["nextThoughtNeeded"],
        "branches": [],
        "thoughtHistoryLength": 99 if behaviour == "thinks_with_others" else 1,
    }
    if thought["thoughtNumber"] != 1:
        if behaviour == "thinks_then_hangs":
            time.sleep(60)
        if behaviour == "thinks_then_dies":
            os._exit(3)
        if behaviour == "thinks_then_lies":
            recorded["thoughtNumber"] = 7
        if behaviour == "thinks_then_babbles":
            recorded = {"ok": True}
        if behaviour == "thinks_then_refuses":
            answer(request_id, {"content": [], "isError": True})
            return
    answer(request_id, {"content": [], "structuredContent": recorded})


def call(behaviour: str, request_id: object, params: dict[str, object]) -> None:
    if behaviour == "dies_on_call":
        sys.stderr.write("out of cheese\n")
        os._exit(3)
    if behaviour == "hangs_on_call":
        time.sleep(60)
    if behaviour == "floods_on_call":
        while True:
            sys.stdout.write("x" * 65536)
    if behaviour == "garbage_on_call":
        sys.stdout.write("this is not JSON\n[]\n")
    text = os.environ.get("OPENROUTER_API_KEY", "unset") if behaviour == "shows_key" else "done"
    answer(request_id, {"content": [{"type": "text", "text": text}], "arguments": params})


def main() -> None:
    behaviour = sys.argv[1]
    if behaviour == "never_answers":
        time.sleep(60)
    if behaviour == "dies_at_start":
        sys.stderr.write("cannot find module 'thinking'\n")
        sys.exit(1)
    if behaviour == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    serve(behaviour)
    if behaviour == "stubborn":
        time.sleep(60)


main()
