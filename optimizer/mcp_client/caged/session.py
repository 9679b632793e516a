"""MCP as far as a profile needs it: shake hands, list the tools, call some, decline everything.

Two eras are spoken: 2026-07-28, where every request says who asks, and the handshake before it.
"""

import json
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from optimizer.mcp_client.caged.bounds import Bounds, CagedError, Clock

Message = dict[str, Any]
Era = Literal["modern", "handshake"]

MODERN = "2026-07-28"
HANDSHAKE = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
"""Versions that the handshake may settle on; the first is offered."""

CLIENT = {"name": "sequential-resource-optimization-profiler", "version": "1"}
_META = "io.modelcontextprotocol/"

_DECLINED: Mapping[str, Message] = {
    "ping": {"result": {}},
    "elicitation/create": {"result": {"action": "decline"}},
    "sampling/createMessage": {"error": {"code": -1, "message": "declined while profiling"}},
}
"""What a server that asks is answered; everything else is not found."""


class Transport(Protocol):
    """Carries messages both ways."""

    def exchange(self, message: Message, headers: Mapping[str, str], clock: Clock) -> None:
        """Send a message."""

    def messages(self, clock: Clock, what: str) -> Iterator[Message]:
        """What the server sends."""


@dataclass(frozen=True)
class Hello:
    """How a server introduced itself.

    Attributes:
        era: Which of the two.
        protocol: The version that was settled on.
        name: Its name, as it says.
        version: Its version, as it says.
        instructions: Its advice to a model; other people's text.
    """

    era: Era
    protocol: str
    name: str = ""
    version: str = ""
    instructions: str = ""


@dataclass(frozen=True)
class Listed:
    """What a server offers.

    Attributes:
        tools: Each as the server sent it, cut to what is kept.
        refused: Tool that cannot be used, to the reason.
        warnings: What is odd about the list.
    """

    tools: list[Message]
    refused: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


class AnswerError(Exception):
    """The server answered a request with an error."""


class Session:
    """One client of one server.

    Args:
        transport: Where messages go.
        bounds: How long, and how much.

    Attributes:
        asked_for: Methods that the server wanted of us and was declined.
    """

    def __init__(self, transport: Transport, bounds: Bounds) -> None:
        self._transport = transport
        self._bounds = bounds
        self._sent = 0
        self._era: Era = "handshake"
        self._version = ""
        self.asked_for: list[str] = []

    def connect(self, era: Era | None) -> Hello:
        """Shake hands in the era that is known, else in the newest that the server speaks.

        Raises:
            CagedError: It speaks neither, or does not answer in time.
        """
        clock = Clock(self._bounds.connect_s + (0 if era else self._bounds.discover_s))
        if era != "handshake":
            try:
                return self._discover(Clock(min(clock.left, self._bounds.discover_s)))
            except AnswerError:
                pass
            except CagedError as error:
                if error.problem != "timeout":
                    raise
        return self._initialize(clock)

    def tools(self) -> Listed:
        """Every page of its tools, each tool checked by itself.

        Raises:
            CagedError: The list is too long, does not end, or is no list.
        """
        clock = Clock(self._bounds.list_s)
        found: list[object] = []
        cursors: set[str] = set()
        cursor: str | None = None
        for _ in range(self._bounds.pages):
            page = self._asked("tools/list", {} if cursor is None else {"cursor": cursor}, clock)
            tools = page.get("tools")
            if not isinstance(tools, list):
                raise CagedError("protocol", "its answer to tools/list has no list of tools")
            found += tools
            if len(found) > self._bounds.tools:
                raise CagedError("too_much", f"it lists more than {self._bounds.tools} tools")
            cursor = page.get("nextCursor")
            if not cursor:
                return checked(found, self._bounds)
            if not isinstance(cursor, str) or cursor in cursors:
                raise CagedError("protocol", "its list of tools never ends: a cursor comes again")
            cursors.add(cursor)
        raise CagedError("too_much", f"its list of tools goes on after {self._bounds.pages} pages")

    def timed(self, method: str, params: Message, *, clock: Clock) -> tuple[float, str | None]:
        """Milliseconds of one request, and what went wrong; the server may refuse.

        Raises:
            CagedError: No answer came.
        """
        began = time.perf_counter()
        failure = None
        try:
            answer = self.request(method, params, clock)
            kind = answer.get("resultType", "complete")
            if answer.get("isError"):
                failure = "tool_error"
            elif kind != "complete":
                failure = f"it wants {kind}"
        except AnswerError:
            failure = "protocol_error"
        return (time.perf_counter() - began) * 1000, failure

    def request(self, method: str, params: Message, clock: Clock) -> Message:
        """Ask, and wait for the answer to that; whatever the server asks meanwhile is declined.

        Raises:
            AnswerError: It answered with an error.
            CagedError: It did not answer.
        """
        number = self._send(method, params, clock)
        return _result(self._answer((number,), method, clock), method)

    def _send(self, method: str, params: Message, clock: Clock) -> int:
        self._sent += 1
        if self._era == "modern":
            params = {**params, "_meta": _envelope(self._version)}
        message = {"jsonrpc": "2.0", "id": self._sent, "method": method, "params": params}
        self._transport.exchange(message, self._headers(method, params), clock)
        return self._sent

    def _answer(self, numbers: Collection[int], method: str, clock: Clock) -> Message:
        """The answer to one of these requests, whichever comes first."""
        for answer in self._transport.messages(clock, method):
            if "method" in answer:
                self._decline(answer, clock)
            elif answer.get("id") in numbers:
                return answer
        raise CagedError("closed", f"it ended its answer to {method} early")

    def _asked(self, method: str, params: Message, clock: Clock) -> Message:
        try:
            return self.request(method, params, clock)
        except AnswerError as error:
            raise CagedError("protocol", f"it refused {method}: {error}") from None

    def _discover(self, clock: Clock) -> Hello:
        self._era, self._version = "modern", MODERN
        try:
            return self._modern(self.request("server/discover", {}, clock))
        except (AnswerError, CagedError):
            self._era, self._version = "handshake", ""
            raise

    def _modern(self, answer: Message) -> Hello:
        if MODERN not in (answer.get("supportedVersions") or ()):
            raise AnswerError("it names other versions")
        self._era, self._version = "modern", MODERN
        about = _mapping(_mapping(answer.get("_meta")).get(f"{_META}serverInfo"))
        return _hello("modern", MODERN, about, answer)

    def _initialize(self, clock: Clock) -> Hello:
        """The handshake; a late answer to `server/discover`, from a slow start, counts too."""
        offer = {"protocolVersion": HANDSHAKE[0], "capabilities": {}, "clientInfo": CLIENT}
        discovered = self._sent
        number = self._send("initialize", offer, clock)
        answer = self._answer((number, discovered), "initialize", clock)
        if answer["id"] == discovered:
            with suppress(AnswerError):
                return self._modern(_result(answer, "server/discover"))
            answer = self._answer((number,), "initialize", clock)
        try:
            answer = _result(answer, "initialize")
        except AnswerError as error:
            raise CagedError("protocol", f"it refused initialize: {error}") from None
        version = answer.get("protocolVersion")
        if version not in HANDSHAKE:
            shown = version[:40] if isinstance(version, str) else type(version).__name__
            raise CagedError("protocol", f"it speaks MCP {shown}, which nobody else does")
        self._version = str(version)
        note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        self._transport.exchange(note, self._headers("notifications/initialized", {}), clock)
        return _hello("handshake", self._version, _mapping(answer.get("serverInfo")), answer)

    def _headers(self, method: str, params: Message) -> dict[str, str]:
        """What HTTP says beside the message."""
        headers = {"MCP-Protocol-Version": self._version} if self._version else {}
        if self._era == "modern":
            headers["Mcp-Method"] = method
            if "name" in params:
                headers["Mcp-Name"] = str(params["name"])
        return headers

    def _decline(self, asked: Message, clock: Clock) -> None:
        method = str(asked["method"])[:80]
        if "id" not in asked:
            return
        if method != "ping" and len(self.asked_for) < 10:
            self.asked_for.append(method)
        unknown = {"error": {"code": -32601, "message": "not offered while profiling"}}
        answer = {"jsonrpc": "2.0", "id": asked["id"], **_DECLINED.get(method, unknown)}
        self._transport.exchange(answer, self._headers(method, {}), clock)


def _envelope(version: str) -> Message:
    return {
        f"{_META}protocolVersion": version,
        f"{_META}clientInfo": CLIENT,
        f"{_META}clientCapabilities": {},
    }


def _result(answer: Message, method: str) -> Message:
    if "error" in answer:
        error = _mapping(answer["error"])
        raise AnswerError(f"{error.get('code')} {str(error.get('message', ''))[:200]}")
    result = answer.get("result")
    if not isinstance(result, dict):
        raise CagedError("protocol", f"its answer to {method} has neither a result nor an error")
    return result


def _hello(era: Era, version: str, about: Mapping[str, Any], answer: Message) -> Hello:
    def text(value: object, most: int) -> str:
        return value[:most] if isinstance(value, str) else ""

    return Hello(
        era=era,
        protocol=version,
        name=text(about.get("name"), 200),
        version=text(about.get("version"), 80),
        instructions=text(answer.get("instructions"), 4000),
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def checked(found: list[object], bounds: Bounds) -> Listed:
    """The tools that can be used; one bad tool does not take the others with it."""
    listed = Listed([])
    seen: set[str] = set()
    for place, tool in enumerate(found):
        name = tool.get("name") if isinstance(tool, dict) else None
        if not isinstance(tool, dict) or not isinstance(name, str) or not 0 < len(name) <= 200:
            listed.refused[f"#{place + 1}"] = "has no name of 1 to 200 characters"
            continue
        problem = _problem(tool.get("inputSchema"), bounds)
        if problem:
            listed.refused[name] = problem
            continue
        if name in seen:
            listed.warnings.append(f"two tools are called {name}")
        seen.add(name)
        listed.tools.append(_kept(tool, bounds))
    return listed


def _problem(schema: object, bounds: Bounds) -> str | None:
    if not isinstance(schema, dict):
        kind = "absent" if schema is None else f"a {type(schema).__name__}"
        return f"its inputSchema is {kind}, not an object"
    try:
        depth = _depth(schema, bounds.depth)
        size = len(json.dumps(schema, separators=(",", ":")))
    except RecursionError:
        depth, size = bounds.depth + 1, 0
    if depth > bounds.depth:
        return f"its inputSchema is nested more than {bounds.depth} deep"
    if size > bounds.schema:
        return f"its inputSchema has {size} bytes; at most {bounds.schema} are taken"
    return None


def _depth(value: object, most: int) -> int:
    """How deep it is nested; looked at no deeper than one beyond `most`."""
    level: list[object] = [value]
    depth = 0
    while level and depth <= most:
        depth += 1
        inside: list[object] = []
        for each in level:
            if isinstance(each, dict):
                inside += each.values()
            elif isinstance(each, list):
                inside += each
        level = [each for each in inside if isinstance(each, dict | list)]
    return depth


def _kept(tool: Message, bounds: Bounds) -> Message:
    description = tool.get("description")
    return {
        "name": tool["name"],
        "description": description[: bounds.description] if isinstance(description, str) else "",
        "inputSchema": tool["inputSchema"],
        "readOnly": _mapping(tool.get("annotations")).get("readOnlyHint") is True,
    }
