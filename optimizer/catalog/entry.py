"""What is known of a server that was profiled: measured, dated, without secrets."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

EntryStatus = Literal["profiled", "seen", "failed", "changed"]
"""profiled: what is here holds. seen: never profiled; its tool list passed through `sro run`.
failed: the last profile failed; `failure` says why. changed: the server offers something else than
what was approved, and waits for approval."""


class _Noun(BaseModel):
    model_config = ConfigDict(frozen=True)


class ToolEntry(_Noun):
    """A tool, as the server describes it."""

    name: str
    description: str = ""
    parameters: tuple[str, ...] = ()
    read_only: bool = False
    digest: str = Field("", description="Start of the SHA-256 of all that it says of itself.")


class Timed(_Noun):
    """How long one kind of request took."""

    what: str = Field(description="`ping`, `tools/list`, or the tool that was called.")
    calls: int = Field(description="How many were made.")
    p50_ms: float | None = Field(description="Median of those that ended well, milliseconds.")
    p95_ms: float | None = Field(description="95th percentile of the same, milliseconds.")
    failures: tuple[str, ...] = Field((), description="How the others ended.")


class Failure(_Noun):
    """Why a server could not be profiled."""

    problem: str = Field(description="absent, closed, timeout, protocol, too_much, forbidden, …")
    detail: str
    stderr_tail: str = Field("", description="The end of what it wrote to stderr.")


class Change(_Noun):
    """How what a server offers differs from what was approved."""

    seen_at: AwareDatetime
    command: bool = Field(description="Whether the command or URL is another one.")
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    altered: tuple[str, ...] = Field((), description="Tools of the same name that say otherwise.")

    def told(self) -> str:
        """The change in a few words."""
        parts = ["its command changed"] if self.command else []
        for word, names in (
            ("new", self.added),
            ("gone", self.removed),
            ("rewritten", self.altered),
        ):
            if names:
                more = f" and {len(names) - 3} more" if len(names) > 3 else ""
                parts.append(f"{word}: {', '.join(names[:3])}{more}")
        return "; ".join(parts) or "something in its tool list changed"


class CatalogEntry(_Noun):
    """One server of the catalog."""

    schema_version: Literal[1] = 1
    id: str
    source: str = Field(description="Configuration that names it.")
    command: str = Field(description="What starts it, or its origin; secrets are masked.")
    status: EntryStatus
    profiled_at: AwareDatetime = Field(
        description="When the last profile ended, or it was first seen, UTC."
    )
    failure: Failure | None = None
    change: Change | None = None
    era: str | None = Field(None, description="modern (2026-07-28) or handshake; asked first.")
    protocol: str | None = None
    server_name: str = ""
    server_version: str = ""
    instructions: str = ""
    tools: tuple[ToolEntry, ...] = ()
    refused_tools: dict[str, str] = Field(default_factory=dict)
    tool_list_tokens: int | None = Field(
        None, description="Tokens of the tool list in a model's context, estimated."
    )
    connect_ms: float | None = Field(None, description="From the start to the end of hand-shakes.")
    list_ms: float | None = None
    timed: tuple[Timed, ...] = ()
    resident_bytes: int | None = Field(
        None, description="Resident memory of the server with all that it starts; null at a URL."
    )
    left_over: int = Field(0, description="Processes that a polite end left, ended then.")
    warnings: tuple[str, ...] = ()
    fingerprint: str | None = Field(None, description="SHA-256 of its command and tool list.")
    approved_fingerprint: str | None = None
    approved_tools: dict[str, str] = Field(
        default_factory=dict, description="Digest of each tool that was approved, by name."
    )
    approved_command: str = ""

    @property
    def held_back(self) -> str | None:
        """Why it should not be chosen now; None when nothing speaks against it."""
        if self.status == "changed" and self.change is not None:
            return (
                f"what it offers changed after it was approved (seen on "
                f"{self.change.seen_at:%Y-%m-%d}; "
                f"{self.change.told()}); `sro profile --approve {self.id}` when that is right"
            )
        if self.status == "failed" and self.failure is not None:
            return (
                f"its last profile failed at {self.profiled_at:%Y-%m-%d %H:%M} UTC "
                f"({self.failure.detail}); "
                f"`sro profile {self.id}` when that is mended"
            )
        return None
