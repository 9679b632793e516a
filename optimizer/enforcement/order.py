"""What `sro run` asks for, and what the command is started with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from optimizer.allocation.lease import (
    Allocation,
    AmountNumber,
    AmountText,
    PriorityLevel,
    ResourceName,
)

MAX_COMMAND = 4096


class RunOrder(BaseModel):
    """A command that is to run under a lease."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: tuple[str, ...] = Field(
        min_length=1, max_length=MAX_COMMAND, description="The program and its arguments."
    )
    directory: str = Field(description="Where it runs.")
    resources: dict[ResourceName, AmountNumber | AmountText] = Field(
        default_factory=dict,
        max_length=32,
        description="Amounts; cpu and memory are what it usually uses when they are not named.",
    )
    wait_s: Annotated[float, Field(ge=0, le=86_400)] = Field(
        0.0, description="Seconds to wait for room."
    )
    priority_level: PriorityLevel = Field("normal", description="Who waits first.")
    purpose: Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")] = Field(
        "", description="What it is for; the command's name when empty."
    )
    mcp: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None, description="Id of the stdio MCP server that it is; found in the command when None."
    )
    is_piped: bool = Field(
        False, description="Whether its input and output are pipes, as a host of MCP servers has."
    )
    is_tapped: bool = Field(True, description="Whether calls of tools may be recorded.")


@dataclass(frozen=True)
class Granted:
    """A lease for a command.

    Attributes:
        lease: Its id.
        said: What was granted and why, in one line.
        environment: What the command's environment gets beside its own.
        mcp: The MCP server whose calls are recorded; None records nothing.
    """

    lease: str
    said: str
    environment: Mapping[str, str]
    mcp: str | None


@dataclass(frozen=True)
class Refused:
    """No room now.

    Attributes:
        allocation: Why, and what fits when.
        message: The same in one line.
        mcp: The MCP server that it would have been.
    """

    allocation: Allocation
    message: str
    mcp: str | None


@dataclass(frozen=True)
class Held:
    """What holds a command to its lease.

    Attributes:
        words: For people.
        nice: How far it stands back where nothing holds it to its cores.
        data_bytes: Most private memory of each process, where nothing counts them together.
        prefix: What becomes the command and is started in its place.
    """

    words: str
    nice: int = 0
    data_bytes: int | None = None
    prefix: tuple[str, ...] = ()
