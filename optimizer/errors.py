"""Everything that can go wrong, as one tree; a branch says who can act.

::

    OptimizerError
    ├── RequestError              the caller: change the request
    │   ├── InvalidRequestError   a value or an argument is not allowed
    │   ├── NotFoundError         no such decision, lease, …
    │   ├── ForbiddenError        this principal may not do that
    │   ├── LeaseEndedError       the lease is over: ask for a new one
    │   └── NotEnoughHistoryError wait for more samples
    ├── CapacityError             time: the same request may succeed later
    │   └── LeaseRefusedError     nothing could be reserved; it holds the whole answer
    └── DependencyError           an operator: something outside is missing or broken
        ├── ConfigurationError    a setting has a bad value
        ├── McpServerError        an MCP server is absent, hangs, or breaks the protocol
        └── StorageError          the store cannot read or write

An error keeps its facts as attributes. Its message says what happened, with numbers, and what to do
next; agents read it. `code` is stable and is what programs compare.
"""

from datetime import datetime
from typing import Literal


class OptimizerError(Exception):
    """The root of the tree."""

    code = "internal_error"


class RequestError(OptimizerError):
    """The caller can fix this by asking differently."""

    code = "invalid_request"


class InvalidRequestError(RequestError):
    """A value, or the name of an argument, is not allowed.

    Args:
        message: What is wrong, what is allowed, and that nothing was changed.
        field: Dotted path of the offending field, for example `resources.cpu`; None for the whole.
    """

    def __init__(self, message: str, *, field: str | None = None) -> None:
        self.field = field
        super().__init__(message)


class NotFoundError(RequestError):
    """No such thing, or not the caller's to see."""

    code = "not_found"

    def __init__(self, *, what: str, name: str, hint: str) -> None:
        self.what, self.name, self.hint = what, name, hint
        super().__init__(f"no {what} {name!r}; {hint}")


class ForbiddenError(RequestError):
    """The principal's role does not allow the operation."""

    code = "forbidden"

    def __init__(self, *, operation: str, role: str, needs: str = "user") -> None:
        self.operation, self.role, self.needs = operation, role, needs
        if needs == "operator":
            super().__init__(
                f"{operation} is for operators, and you are a {role}; use a token of that role "
                "(`sro token add NAME --role operator`), or the socket as the server's own user"
            )
            return
        super().__init__(
            f"{operation} changes something, and a {role} may only read; "
            "use a token with a writing role (API_TOKEN)"
        )


class LeaseEndedError(RequestError):
    """The lease was released, or ended by itself."""

    code = "lease_ended"

    def __init__(self, *, allocation_id: str, state: str, ended_at: datetime) -> None:
        self.allocation_id, self.state, self.ended_at = allocation_id, state, ended_at
        super().__init__(
            f"allocation {allocation_id} {state} at {ended_at:%Y-%m-%d %H:%M:%S} UTC; it holds "
            "nothing. Call allocate for a new one. Nothing was changed"
        )


class NotEnoughHistoryError(RequestError):
    """The series is too short for what was asked."""

    code = "not_enough_history"

    def __init__(self, *, have: int, need: int, unit: str = "samples") -> None:
        self.have, self.need, self.unit = have, need, unit
        super().__init__(
            f"{have} {unit} recorded, {need} needed; wait for more, or import history "
            "with `sro import FILE`"
        )


class CapacityError(OptimizerError):
    """There is no room now; the same request may succeed later."""

    code = "no_capacity"


class LeaseRefusedError(CapacityError):
    """A block wanted to hold a lease, and nothing could be reserved.

    Args:
        summary: What was refused, and what to ask instead.
        allocation: The whole answer: what is free, what fits when, alternatives.
    """

    code = "lease_refused"

    def __init__(self, summary: str, *, allocation: object) -> None:
        self.allocation = allocation
        super().__init__(summary)


class DependencyError(OptimizerError):
    """Something outside this process is missing or broken; an operator can mend it."""

    code = "dependency_unavailable"


class ConfigurationError(DependencyError):
    """A setting has a value that is not allowed.

    Args:
        setting: Name of the variable or key, for example `PORT` or `sro.toml: pools.cpu`.
        problem: What is wrong with its value.
        fix: What to write instead.
    """

    code = "bad_configuration"

    def __init__(self, *, setting: str, problem: str, fix: str) -> None:
        self.setting, self.problem, self.fix = setting, problem, fix
        super().__init__(f"{setting}: {problem}; {fix}")


McpProblem = Literal["absent", "not_mcp", "forbidden", "timeout", "closed", "protocol"]
"""absent: nothing answers; not_mcp: what answers is no MCP server; closed: it went away."""


class McpServerError(DependencyError):
    """An MCP server that we call is absent, hangs, or breaks the protocol.

    Args:
        server: How the configuration names it: a program, a URL without secrets, or `in memory`.
        problem: What kind of failure it is; programs compare this.
        detail: What was seen.
    """

    code = "mcp_server_unavailable"

    def __init__(self, *, server: str, problem: McpProblem, detail: str) -> None:
        self.server, self.problem, self.detail = server, problem, detail
        super().__init__(
            f"MCP server {server}: {detail}; "
            "check that it runs and that its command or URL is right"
        )


class StorageError(DependencyError):
    """The store cannot read or write."""

    code = "storage_unavailable"
