"""Who answers a command: the daemon of this machine, a server that is named, else this process."""

import os
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from optimizer.places import socket_path
from optimizer.settings import Settings
from server.control import ask
from server.operation import Operation, perform
from server.peers import Peer
from server.rest import API
from server.views import Json

if TYPE_CHECKING:
    import httpx

CONNECT_TIMEOUT_S = 5.0
"""How long a server that is named may take to accept a connection."""

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


class DaemonDoor:
    """The daemon of this machine, which knows who asks from the socket.

    Args:
        path: Its socket.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    async def ask(self, operation: Operation, values: Mapping[str, Any]) -> Json:
        """Say the operation's name and its arguments."""
        operation.parse(values)
        try:
            said = ask(
                self._path,
                "perform",
                timeout_s=ANSWER_TIMEOUT_S,
                operation=operation.name,
                arguments=dict(values),
            )
        except (OSError, ValueError) as error:
            raise ServerError(
                code="unreachable", detail=f"the daemon at {self._path} did not answer ({error})"
            ) from None
        if said is not None and "answer" in said:
            answer: Json = said["answer"]
            return answer
        if said is not None and "problem" in said:
            raise ServerError(code=said["problem"]["code"], detail=said["problem"]["detail"])
        raise ServerError(
            code="unreachable",
            detail=f"the daemon at {self._path} does not answer commands: it ended just now, or is "
            "of another version; `sro stop`, and try again",
        )


class ServerDoor:
    """A server that was named.

    Args:
        client: Knows its address and our token.
    """

    def __init__(self, client: "httpx.AsyncClient") -> None:
        self._client = client

    async def ask(self, operation: Operation, values: Mapping[str, Any]) -> Json:
        """Send the request to the operation's REST route."""
        import httpx

        operation.parse(values)
        template = operation.rest.path
        path = API + template.format(**{k: quote(str(v), safe="") for k, v in values.items()})
        rest = {name: value for name, value in values.items() if f"{{{name}}}" not in template}
        try:
            response = await self._client.request(
                operation.rest.method,
                path,
                params=_query(rest) if operation.rest.method == "GET" else None,
                json=None if operation.rest.method == "GET" else rest,
            )
            answer: Json = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise ServerError(
                code="unreachable",
                detail=f"no server of ours answers at {self._client.base_url} ({error})",
            ) from None
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
        """Do it here, as the user whom the daemon would see."""
        request = operation.parse(values)
        principal = Peer(pid=os.getpid(), uid=os.getuid()).principal
        answer = await perform(operation, request, self._optimizer, principal=principal)
        return operation.view(answer, request, "reference")


@asynccontextmanager
async def nearest_door(settings: Settings, *, server: str | None = None) -> AsyncIterator[Door]:
    """The server that is named, else this machine's daemon, else an optimizer on the same store.

    Args:
        settings: Our token, the certificate of the server, and the store.
        server: Address of a server to ask over HTTP; None asks this machine.

    Raises:
        ServerError: A daemon has the socket and does not let us in.
    """
    if server is not None:
        async with _client(settings, server) as client:
            yield ServerDoor(client)
        return
    path = socket_path(os.environ)
    try:
        runs = ask(path, "status") is not None
    except OSError as error:
        raise ServerError(
            code="unreachable", detail=f"the daemon at {path} does not answer ({error})"
        ) from None
    if runs:
        yield DaemonDoor(path)
        return
    sys.stderr.write(f"No server runs here; this process answers, from {settings.store_url}\n")
    from optimizer.orchestrator import SequentialResourceOptimizer

    async with SequentialResourceOptimizer(settings=settings) as optimizer:
        yield OwnDoor(optimizer)


def _client(settings: Settings, server: str) -> "httpx.AsyncClient":
    import httpx

    token = settings.api_token
    return httpx.AsyncClient(
        base_url=server.rstrip("/"),
        headers={} if token is None else {"Authorization": f"Bearer {token.get_secret_value()}"},
        timeout=httpx.Timeout(ANSWER_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
        trust_env=False,
        verify=_trusted(settings),
    )


def _trusted(settings: Settings) -> ssl.SSLContext | bool:
    """Our own certificate, whoever signed it and whatever name it has: we ask our own address."""
    if settings.tls_certfile is None:
        return True
    context = ssl.create_default_context(cafile=str(settings.tls_certfile))
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.check_hostname = False
    return context


def _query(values: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: ",".join(value) if isinstance(value, list) else str(value)
        for name, value in values.items()
    }
