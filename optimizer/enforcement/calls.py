"""Lines of JSON-RPC between a host and an MCP server → calls of tools, and how each ended. Pure.

Standard library only: it runs in the process that a host starts for every server.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from optimizer.catalog.tool_tokens import count

Direction = Literal["to_server", "to_host"]

MAX_LINE_BYTES = 4 * 2**20
"""A longer line is passed on like every other, but not read: its length alone counts."""

COUNTED_CHARACTERS = 1 << 15
CHARACTERS_A_TOKEN = 4.53
"""Of an answer that is not read. Source: 870 servers' tool lists."""

INVALID_PARAMS, METHOD_NOT_FOUND = -32602, -32601
_CALLERS_FAULT = frozenset({INVALID_PARAMS, METHOD_NOT_FOUND})
_SAYS_CALLERS_FAULT = re.compile(
    r"MCP error -3260[12]|[Ii]nvalid arguments|[Ii]nput validation|[Uu]nknown tool|validation error"
)
"""How servers of the official SDKs say, in a tool's result, that they were called wrongly."""

_ID = re.compile(rb'"id"\s*:\s*("(?:[^"\\]|\\.)*"|-?\d+)')
_EDGE_BYTES = 256
_UNFINISHED = "input_required"
"""A result of protocol 2026-07-28 that asks for more; the call goes on in another request."""

MOST_EARLY = 64
"""Answers that are kept until their question is read."""


class _Request(NamedTuple):
    method: str
    tool: str
    cursor: object
    at_s: float


class Call(NamedTuple):
    """A tool call that ended.

    Attributes:
        tool: Its name.
        outcome: How it ended, in the words of `optimizer.catalog.outcomes`.
        latency_ms: From the moment the request passed to the moment the answer did; None when there
            was none, or when the moments were noted in the wrong order.
        tokens: Of the answer, as a model reads it, estimated; None when there was none.
    """

    tool: str
    outcome: str
    latency_ms: float | None
    tokens: float | None


class Conversation:
    """Follows one host and one server.

    Both streams are read in the order in which they were noted, which may put an answer before its
    question.

    Attributes:
        tools: The first whole list of tools that passed; None until then.
    """

    def __init__(self) -> None:
        self.tools: list[object] | None = None
        self._pages: list[object] = []
        self._waiting: dict[str, _Request] = {}
        self._early: dict[str, tuple[_Whole, float]] = {}
        self._lines: dict[Direction, _Line] = {"to_server": _Line(), "to_host": _Line()}

    def passed(self, direction: Direction, chunk: bytes, at_s: float) -> list[Call]:
        """Read what was passed on.

        Args:
            direction: To whom.
            chunk: Any part of the stream.
            at_s: When it passed, on a steady clock, in seconds.

        Returns:
            The calls that ended with it.
        """
        ended = []
        for line in self._lines[direction].split(chunk):
            call = (
                self._asked(line, at_s) if direction == "to_server" else self._answered(line, at_s)
            )
            if call is not None:
                ended.append(call)
        return ended

    def broken(self) -> list[Call]:
        """The server ended: what still waits for an answer gets none."""
        asked = [each for each in self._waiting.values() if each.method == "tools/call"]
        self._waiting.clear()
        return [Call(each.tool, "transport", None, None) for each in asked]

    def _asked(self, line: "_Whole", at_s: float) -> Call | None:
        message = _parsed(line.data)
        method, params = message.get("method"), message.get("params")
        if not isinstance(params, dict):
            params = {}
        if method == "notifications/cancelled":
            return self._cancelled(params, at_s)
        if isinstance(method, str) and "id" in message:
            key = json.dumps(message["id"])
            tool = str(params.get("name"))[:200]
            self._waiting[key] = _Request(method, tool, params.get("cursor"), at_s)
            if key in self._early:
                return self._answered(*self._early.pop(key))
        return None

    def _cancelled(self, params: dict[str, Any], at_s: float) -> Call | None:
        """The host waits no longer. Only a time that ran out says something about the server."""
        asked = self._waiting.pop(json.dumps(params.get("requestId")), None)
        if asked is None or asked.method != "tools/call":
            return None
        if not re.search(r"time(d)?[ -]?out", str(params.get("reason")), re.I):
            return None
        return Call(asked.tool, "timeout", (at_s - asked.at_s) * 1e3, None)

    def _answered(self, line: "_Whole", at_s: float) -> Call | None:
        message = _parsed(line.data) if not line.is_cut else {}
        key = json.dumps(message["id"]) if "id" in message else _id_of(line)
        if key is None or "method" in message:
            return None
        asked = self._waiting.pop(key, None)
        if asked is None:
            self._early[key] = (line, at_s)
            if len(self._early) > MOST_EARLY:
                del self._early[next(iter(self._early))]
            return None
        if asked.method == "tools/list" and self.tools is None:
            self._listed(message.get("result"), is_first=asked.cursor is None)
        if asked.method != "tools/call":
            return None
        latency_ms = (at_s - asked.at_s) * 1e3 if at_s >= asked.at_s else None
        if line.is_cut:
            return Call(asked.tool, "ok", latency_ms, line.length / CHARACTERS_A_TOKEN)
        outcome, text = _judged(message)
        if outcome is None:
            return None
        return Call(asked.tool, outcome, latency_ms, _tokens(text))

    def _listed(self, result: object, *, is_first: bool) -> None:
        """A page of tools; pages that do not follow one another make no list."""
        if not isinstance(result, dict) or not isinstance(result.get("tools"), list):
            return
        self._pages = [*([] if is_first else self._pages), *result["tools"]]
        if not result.get("nextCursor"):
            self.tools = self._pages


def refusal(line: bytes, *, code: int, message: str, data: dict[str, Any]) -> bytes | None:
    """The error that answers a request; None for what wants no answer."""
    asked = _parsed(line)
    if "method" not in asked or "id" not in asked:
        return None
    error = {"code": code, "message": message, "data": data}
    answer = {"jsonrpc": "2.0", "id": asked["id"], "error": error}
    return json.dumps(answer, separators=(",", ":")).encode() + b"\n"


def _judged(message: dict[str, Any]) -> tuple[str | None, str]:
    """How a call ended, None when it did not yet; and the text that a model reads."""
    error = message.get("error")
    if isinstance(error, dict):
        fault = error.get("code") in _CALLERS_FAULT
        return ("caller_fault" if fault else "protocol_error"), str(error.get("message", ""))
    result = message.get("result")
    if not isinstance(result, dict):
        return "protocol_error", ""
    if result.get("resultType") == _UNFINISHED:
        return None, ""
    text = "".join(_texts(result))
    if result.get("isError") is True:
        return ("caller_fault" if _SAYS_CALLERS_FAULT.search(text) else "tool_error"), text
    return "ok", text


def _tokens(text: str) -> float:
    """Tokens of a text; of a long one by what its beginning has."""
    if len(text) <= COUNTED_CHARACTERS:
        return count(text)
    return count(text[:COUNTED_CHARACTERS]) * len(text) / COUNTED_CHARACTERS


def _texts(result: dict[str, Any]) -> Iterator[str]:
    """What a model reads of a result: its texts; structured content where there are none."""
    content = result.get("content")
    blocks = [block for block in content if isinstance(block, dict)] if content else []
    yield from (str(block["text"]) for block in blocks if "text" in block)
    if not blocks and "structuredContent" in result:
        yield json.dumps(result["structuredContent"], separators=(",", ":"))


class _Whole(NamedTuple):
    """A line without its end; of one that is too long only its edges."""

    data: bytes
    length: int

    @property
    def is_cut(self) -> bool:
        return self.length > len(self.data)


class _Line:
    """The line that is being passed on."""

    def __init__(self) -> None:
        self._begun = bytearray()
        self._length = 0

    def split(self, chunk: bytes) -> Iterator[_Whole]:
        """The lines that end in a chunk; the rest is kept for the next."""
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            self._add(end)
            yield _Whole(bytes(self._begun), self._length)
            self._begun, self._length = bytearray(), 0
        self._add(rest)

    def _add(self, part: bytes) -> None:
        self._length += len(part)
        self._begun += part
        if len(self._begun) > MAX_LINE_BYTES:
            self._begun[_EDGE_BYTES:-_EDGE_BYTES] = b""


def _id_of(line: _Whole) -> str | None:
    """The id of a line that is too long to be read: it stands near one of its ends."""
    if not line.is_cut:
        return None
    found = _ID.search(line.data[:_EDGE_BYTES]) or _ID.search(line.data[-_EDGE_BYTES:])
    return found[1].decode() if found else None


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}
