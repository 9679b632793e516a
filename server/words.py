"""An operation asked for by its name over the daemon's socket: how a command is answered."""

import time
from collections.abc import Mapping
from typing import Any

from server.errors import Problem, problem_of, rate_limited
from server.gate import Gate, Holder
from server.operation import Optimizer, perform
from server.operations import BY_NAME
from server.peers import Peer


async def answer_operation(
    message: Mapping[str, Any], peer: Peer, *, optimizer: Optimizer, gate: Gate
) -> Mapping[str, Any]:
    """Do what the message names, for the user at the other end of the socket.

    Args:
        message: `operation`, the name of one, and `arguments`.
        peer: Who asks, as the kernel says.
        optimizer: Does the work.
        gate: Knows how often a principal may ask.

    Returns:
        `answer`, in the shape of the REST route, or `problem`, as REST would answer it.
    """
    wait_s = gate.wait_s(Holder(peer.principal), now_s=time.monotonic())
    if wait_s is not None:
        return {"problem": rate_limited(wait_s).body()}
    operation = BY_NAME.get(str(message.get("operation")))
    if operation is None:
        known = ", ".join(BY_NAME)
        return {
            "problem": Problem(404, "not_found", f"No such operation; there are {known}").body()
        }
    try:
        request = operation.parse(message.get("arguments"))
        answer = await perform(operation, request, optimizer, principal=peer.principal)
        return {"answer": operation.view(answer, request, "reference")}
    except Exception as error:
        return {"problem": problem_of(error).body()}
