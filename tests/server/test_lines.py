"""What came before the last line is answered before the server hears that it was the last."""

import anyio
import pytest
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCRequest, JSONRPCResponse

from server.lines import Streams, until_answered

ASKED = SessionMessage(JSONRPCRequest(jsonrpc="2.0", id=7, method="tools/call"))
ANSWER = SessionMessage(JSONRPCResponse(jsonrpc="2.0", id=7, result={}))


async def test_the_end_of_what_comes_in_waits_for_the_answer_to_what_came() -> None:
    said, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](1)
    outgoing, heard = anyio.create_memory_object_stream[SessionMessage](1)
    said.send_nowait(ASKED)
    said.close()

    with anyio.fail_after(30):
        async with heard, until_answered(Streams(incoming, outgoing)) as server, server.incoming:
            assert await server.incoming.receive() == ASKED
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(anyio.WouldBlock):
                server.incoming.receive_nowait()
            await server.outgoing.send(ANSWER)
            with pytest.raises(anyio.EndOfStream):
                await server.incoming.receive()
            server.outgoing.close()
            assert await heard.receive() == ANSWER


async def test_who_says_nothing_at_all_ends_at_once() -> None:
    said, incoming = anyio.create_memory_object_stream[SessionMessage | Exception]()
    outgoing, heard = anyio.create_memory_object_stream[SessionMessage]()
    said.close()

    with anyio.fail_after(30):
        async with heard, until_answered(Streams(incoming, outgoing)) as server, server.incoming:
            with pytest.raises(anyio.EndOfStream):
                await server.incoming.receive()
            server.outgoing.close()
