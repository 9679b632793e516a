"""Who answers a command: the server that runs on HOST:PORT, else an optimizer in this process."""

import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol
from urllib.parse import quote

import httpx

from optimizer.identity import LOCAL
from optimizer.settings import Settings
from server.addresses import base_url
from server.operation import Operation, perform
from server.rest import API
from server.views import Json

CONNECT_TIMEOUT_S = 1.0
"""How long a server on this machine may take to accept a connection."""

ANSWER_TIMEOUT_S = 60.0
"""Longer than the longest wait that a request may ask for, 45 s."""


class ServerError(Exception):
    """The server answered with a problem document.

    Attributes:
        code: The stable word that programs compare.
    """

    def __init__(self, *, code: str, detail: str) -> None:
        self.code = code
        super().__init__(detail)


class Door(Protocol):
    """Answers operations."""

    async def ask(self, operation: Operation, values: Mapping[str, Any]) -> Json:
        """The answer as the REST route gives it.

        Raises:
            OptimizerError: The optimizer in this process cannot do it.
            ServerError: The server says no.
        """


class ServerDoor:
    """The server that runs already.

    Args:
        client: Knows its address and our token.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def ask(self, operation: Operation, values: Mapping[str, Any]) -> Json:
        """Send the request to the operation's REST route."""
        operation.parse(values)
        template = operation.rest.path
        path = API + template.format(**{k: quote(str(v), safe="") for k, v in values.items()})
        rest = {name: value for name, value in values.items() if f"{{{name}}}" not in template}
        response = await self._client.request(
            operation.rest.method,
            path,
            params=_query(rest) if operation.rest.method == "GET" else None,
            json=None if operation.rest.method == "GET" else rest,
        )
        answer: Json = response.json()
        if "code" in answer and "detail" in answer and response.is_error:
            raise ServerError(code=answer["code"], detail=answer["detail"])
        return answer


class OwnDoor:
    """An optimizer in this process.

    Args:
        optimizer: Started; one method per operation.
    """

    def __init__(self, optimizer: Any) -> None:
        self._optimizer = optimizer

    async def ask(self, operation: Operation, values: Mapping[str, Any]) -> Json:
        """Do it here."""
        request = operation.parse(values)
        answer = await perform(operation, request, self._optimizer, principal=LOCAL)
        return operation.view(answer, request, "reference")


@asynccontextmanager
async def nearest_door(settings: Settings) -> AsyncIterator[Door]:
    """The server on HOST:PORT when one answers there, else an optimizer on the same store."""
    base = server_url(settings)
    headers = {}
    if settings.api_token is not None:
        headers["Authorization"] = f"Bearer {settings.api_token.get_secret_value()}"
    timeout = httpx.Timeout(ANSWER_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
    async with httpx.AsyncClient(
        base_url=base, headers=headers, timeout=timeout, trust_env=False, verify=_trusted(settings)
    ) as client:
        if await _answers(client):
            yield ServerDoor(client)
            return
    sys.stderr.write(f"No server at {base}; this process answers, from {settings.store_url}\n")
    from optimizer.orchestrator import SequentialResourceOptimizer

    async with SequentialResourceOptimizer(settings=settings) as optimizer:
        yield OwnDoor(optimizer)


def _trusted(settings: Settings) -> ssl.SSLContext | bool:
    """Our own certificate, whoever signed it and whatever name it has: we ask our own address."""
    if settings.tls_certfile is None:
        return True
    context = ssl.create_default_context(cafile=str(settings.tls_certfile))
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.check_hostname = False
    return context


def server_url(settings: Settings) -> str:
    """Where a client on this machine finds the server."""
    return base_url(settings.host, settings.port, scheme=settings.scheme)


def _query(values: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: ",".join(value) if isinstance(value, list) else str(value)
        for name, value in values.items()
    }


async def _answers(client: httpx.AsyncClient) -> bool:
    """Whether it is our server that answers there; something else may hold the port."""
    try:
        answer = (await client.get("/health")).json()
    except (httpx.HTTPError, ValueError):
        return False
    return isinstance(answer, dict) and ("status" in answer or "code" in answer)
