"""An MCP server as something to choose: what is claimed about it and what was measured."""

from dataclasses import dataclass, field
from typing import NamedTuple

from optimizer.catalog.entry import CatalogEntry
from optimizer.catalog.outcomes import Measured
from optimizer.catalog.tool_tokens import ERROR_BAND
from optimizer.cost_benefit.figure import Figure


class Tool(NamedTuple):
    """A tool that a candidate offers.

    Attributes:
        name: Its name.
        description: What it says of itself; never quoted in an answer.
        parameters: Names of its parameters.
    """

    name: str
    description: str = ""
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True)
class Claims:
    """What a descriptor says; nobody checked it.

    Attributes:
        cost_usd: USD per call.
        latency_ms: Milliseconds per call, typical.
        p95_latency_ms: Milliseconds that 95 % of calls stay below.
        startup_ms: Milliseconds before the first call can be sent.
        performance: Quality of its answers, 0 to 1.
        reliability: Share of calls that succeed, 0 to 1.
        context_tokens: Tokens that its tool list puts into the model's context.
    """

    cost_usd: float | None = None
    latency_ms: float | None = None
    p95_latency_ms: float | None = None
    startup_ms: float | None = None
    performance: float | None = None
    reliability: float | None = None
    context_tokens: float | None = None


@dataclass(frozen=True)
class Option:
    """One candidate.

    Attributes:
        id: How answers name it.
        name: Its name; the id when it has none.
        description: What it says of itself; never quoted in an answer.
        tools: What it offers, as far as told.
        capabilities: Words for what it can do, as declared.
        category: As declared; empty when none is.
        claims: Figures of its descriptor.
        measured: What recorded calls say; None without any.
        profile: What was found when it was started; None when it never was.
        tool_list_tokens: Tokens of its tool list, estimated from the list; None without a list.
        not_used: Field of the descriptor that could not be used, to the reason.
    """

    id: str
    name: str
    description: str = ""
    tools: tuple[Tool, ...] = ()
    capabilities: tuple[str, ...] = ()
    category: str = ""
    claims: Claims = Claims()
    measured: Measured | None = None
    profile: CatalogEntry | None = None
    tool_list_tokens: int | None = None
    not_used: dict[str, str] = field(default_factory=dict)

    @property
    def has_text(self) -> bool:
        """Whether there is anything beside the id that a task's words could match."""
        return bool(self.description or self.tools or self.capabilities or self.category)

    @property
    def cost_usd(self) -> Figure:
        """USD per call: measured beats claimed."""
        return self._figure("USD per call", "usd", self.claims.cost_usd)

    @property
    def latency_ms(self) -> Figure:
        """Typical milliseconds per call: the measured median beats the claim."""
        return self._figure("ms per call", "latency_ms", self.claims.latency_ms)

    @property
    def p95_latency_ms(self) -> Figure:
        """Milliseconds that a latency limit is held against."""
        figure = self._figure("ms per call, p95", "p95_latency_ms", self.claims.p95_latency_ms)
        if not figure.is_known and self.claims.latency_ms is not None:
            source = "claimed; typical, no p95 is known"
            return Figure(self.claims.latency_ms, "ms per call", source)
        return figure

    @property
    def startup_ms(self) -> Figure:
        """Milliseconds before the first call can be sent."""
        if self.profile is not None and self.profile.connect_ms is not None:
            return Figure(self.profile.connect_ms, "ms", self._profiled)
        return _claimed("ms", self.claims.startup_ms)

    @property
    def resident_bytes(self) -> Figure:
        """Memory of one copy with all that it starts; known only from a profile."""
        if self.profile is None:
            return Figure(None, "bytes per copy", "never profiled")
        if self.profile.resident_bytes is None:
            return Figure(None, "bytes per copy", "it does not run here")
        return Figure(float(self.profile.resident_bytes), "bytes per copy", self._profiled)

    @property
    def performance(self) -> Figure:
        """Claimed quality of its answers."""
        return _claimed("of 1", self.claims.performance)

    @property
    def context_tokens(self) -> Figure:
        """Tokens of context that its tool list takes on every turn."""
        if self.tool_list_tokens is not None:
            return Figure(float(self.tool_list_tokens), "tokens per turn", ERROR_BAND)
        return _claimed("tokens per turn", self.claims.context_tokens)

    @property
    def answer_tokens(self) -> Figure:
        """Tokens that one answer puts into the model's context; known only from calls."""
        return self._figure("tokens per call", "tokens", None)

    @property
    def _profiled(self) -> str:
        assert self.profile is not None
        return f"measured by a profile on {self.profile.profiled_at:%Y-%m-%d}"

    def _figure(self, unit: str, measurement: str, claim: float | None) -> Figure:
        value: float | None = getattr(self.measured, measurement, None)
        if self.measured is not None and value is not None:
            return Figure(value, unit, f"measured, {self.measured.calls} calls on record")
        return _claimed(unit, claim)


def _claimed(unit: str, claim: float | None) -> Figure:
    if claim is None:
        return Figure(None, unit, "neither claimed nor measured")
    return Figure(claim, unit, "claimed")
