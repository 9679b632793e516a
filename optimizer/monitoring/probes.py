"""How long configured services take to answer. Targets come from the configuration alone."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio

from optimizer.errors import ConfigurationError, McpServerError

if TYPE_CHECKING:
    import httpx

NOT_ASKED = "not asked yet"
"""The reason until a service was asked for the first time."""

TIMEOUT = timedelta(seconds=5)
"""A neighbour that has not answered by then counts as down, as the Alita manager counts it."""

ALITA: dict[str, str] = {
    "manager": "http://127.0.0.1:3000/health",
    "kgot": "http://127.0.0.1:3003/status",
    "mcp_creation": "http://127.0.0.1:3002/api/mcp/list",
}
"""What answers a GET on the default ports of an Alita-KGoT installation."""

PRESETS: Mapping[str, Mapping[str, str]] = {"alita": ALITA}
"""Sets of targets by name: `preset = "alita"` in `[probes]` stands for all of them."""

PRESET = "preset"

MCP = "mcp+"
"""Before http or https: an MCP server, to which the time of a whole handshake is taken."""


@dataclass(frozen=True)
class ProbeResult:
    """One answer of one service.

    Attributes:
        ms: Milliseconds until the whole answer was there; None when it was no success.
        reason: Why `ms` is None.
    """

    ms: float | None
    reason: str | None = None


async def _meet(url: str, within: timedelta) -> None:
    """Connect to an MCP server and leave again.

    Raises:
        McpServerError: It is absent, speaks another protocol, or does not answer in time.
    """
    from optimizer.mcp_client.connection import connect
    from optimizer.mcp_client.http import endpoint_url

    async with connect(endpoint_url(url), within=within):
        pass


def expanded(targets: Mapping[str, str]) -> dict[str, str]:
    """Targets with those of a preset in its place.

    Raises:
        ConfigurationError: There is no such preset.
    """
    found: dict[str, str] = {}
    for name, url in targets.items():
        if name == PRESET and url not in PRESETS:
            raise ConfigurationError(
                setting=f"probes.{PRESET}",
                problem=f"there is no preset {url!r}",
                fix=f"use one of: {', '.join(PRESETS)}",
            )
        found |= PRESETS[url] if name == PRESET else {name: url}
    return found


class Probes:
    """Asks every configured service, all at once: by HTTP GET, where any 2xx counts, or by MCP.

    Redirects are not followed, so that an answer cannot send us elsewhere.

    Args:
        targets: URLs by name; the first two are `primary` and `secondary`. The name `preset`
            stands for the targets of a preset.
        timeout: How long an answer may take.
        transport: For tests: what carries the requests.
        meet: Opens and closes a connection to the MCP server at a URL.
        perf_counter: Seconds on a clock for short spans.

    Raises:
        ConfigurationError: A URL is not http or https, or there is no such preset.
    """

    def __init__(
        self,
        targets: Mapping[str, str],
        *,
        timeout: timedelta = TIMEOUT,
        transport: "httpx.AsyncBaseTransport | None" = None,
        meet: Callable[[str, timedelta], Awaitable[None]] = _meet,
        perf_counter: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.targets = expanded(targets)
        for name, url in self.targets.items():
            parts = urlsplit(url.removeprefix(MCP))
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ConfigurationError(
                    setting=f"probes.{name}",
                    problem="it is not the URL of an HTTP service",
                    fix="write http://HOST:PORT/PATH, or mcp+http://HOST:PORT/mcp",
                )
        self._timeout_s = timeout.total_seconds()
        self._meet = meet
        self._transport = transport
        self._perf_counter = perf_counter
        self._client: httpx.AsyncClient | None = None

    async def measure(self) -> dict[str, ProbeResult]:
        """Ask every service once; takes no longer than the timeout."""
        if not self.targets:
            return {}
        if self._client is None:
            self._client = await anyio.to_thread.run_sync(self._connect)
        client = self._client
        results: dict[str, ProbeResult] = {}

        async def ask(name: str, url: str) -> None:
            results[name] = await self._ask(client, url)

        async with anyio.create_task_group() as tasks:
            for name, url in self.targets.items():
                tasks.start_soon(ask, name, url)
        return {name: results[name] for name in self.targets}

    async def close(self) -> None:
        """Close the connections; the next measurement opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _connect(self) -> "httpx.AsyncClient":
        """Loading httpx and the trusted certificates takes too long for the event loop."""
        import httpx

        return httpx.AsyncClient(
            transport=self._transport, follow_redirects=False, trust_env=False, timeout=None
        )

    async def _ask(self, client: "httpx.AsyncClient", url: str) -> ProbeResult:
        import httpx

        started = self._perf_counter()
        if url.startswith(MCP):
            return await self._ask_mcp(url.removeprefix(MCP), started)
        try:
            with anyio.fail_after(self._timeout_s):
                async with client.stream("GET", url) as response:
                    status = response.status_code
        except TimeoutError:
            return ProbeResult(None, f"no answer within {self._timeout_s:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return ProbeResult(None, f"not reached ({error or type(error).__name__})")
        if not 200 <= status < 300:
            return ProbeResult(None, f"answered with status {status}")
        return ProbeResult((self._perf_counter() - started) * 1000)

    async def _ask_mcp(self, url: str, started: float) -> ProbeResult:
        """Time a handshake, from the first connection to the clean end."""
        try:
            with anyio.fail_after(self._timeout_s):
                await self._meet(url, timedelta(seconds=self._timeout_s))
        except TimeoutError:
            return ProbeResult(None, f"no answer within {self._timeout_s:g} s")
        except McpServerError as error:
            return ProbeResult(None, str(error))
        return ProbeResult((self._perf_counter() - started) * 1000)
