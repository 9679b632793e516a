"""The MCP server: tools, resources, prompts, completions and notices, in every protocol era."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from mcp.server import Server
from mcp.server.caching import CacheHint
from mcp.server.subscriptions import ListenHandler

from optimizer.version import NAME, VERSION
from server.notices import Notices, Subscriber, subscribe, unsubscribe
from server.operation import Operation, Optimizer
from server.operations import TOOLS
from server.prompts import Prompts
from server.resources import Resources
from server.tools import Tools

INSTRUCTIONS = (
    "Senses and shares the resources of this machine. get_health before heavy work; allocate "
    "before using more than a core, 2 GiB, a GPU or a budget; release_allocation when done."
)
"""What a host tells its model about the whole server; at most 60 tokens."""

_STABLE_MS = 3_600_000
"""How long a client may keep the lists, which change only when the server restarts."""


@dataclass(frozen=True)
class McpSurface:
    """The MCP server and what it needs around it.

    Attributes:
        server: The low-level server; every transport runs this one.
        notices: Must be running for resource notices to be told.
        listen: Its `close` ends every open listen stream.
    """

    server: Server[Subscriber]
    notices: Notices
    listen: ListenHandler


def create_mcp_surface(
    optimizer: Optimizer, *, lasting: bool, operations: Sequence[Operation] = TOOLS
) -> McpSurface:
    """Build the MCP server over an optimizer.

    Args:
        optimizer: Does the work.
        lasting: Whether a connection outlives a request, as on stdio; only then can clients of the
            handshake eras subscribe to resources.
        operations: What agents see; see `operations.listed`.
    """
    tools, resources, prompts = (
        Tools(operations, optimizer),
        Resources(optimizer),
        Prompts(optimizer),
    )
    notices = Notices(optimizer.events)
    listen = ListenHandler(notices.bus)

    @asynccontextmanager
    async def lifespan(_: Server[Subscriber]) -> AsyncIterator[Subscriber]:
        async with notices.connection() as subscriber:
            yield subscriber

    lists = CacheHint(ttl_ms=_STABLE_MS, scope="public")
    server = Server(
        NAME,
        version=VERSION,
        title="Sequential Resource Optimization",
        instructions=INSTRUCTIONS,
        lifespan=lifespan,
        get_tool_input_schema=lambda _: None,  # no argument is mirrored in a header
        cache_hints={
            "tools/list": lists,
            "prompts/list": lists,
            "resources/list": lists,
            "resources/templates/list": lists,
        },
        on_list_tools=tools.list,
        on_call_tool=tools.call,
        on_list_resources=resources.list,
        on_list_resource_templates=resources.list_templates,
        on_read_resource=resources.read,
        on_subscribe_resource=subscribe if lasting else None,
        on_unsubscribe_resource=unsubscribe if lasting else None,
        on_subscriptions_listen=listen,
        on_list_prompts=prompts.list,
        on_get_prompt=prompts.get,
        on_completion=prompts.complete,
    )
    return McpSurface(server=server, notices=notices, listen=listen)
