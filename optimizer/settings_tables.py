"""Tables of sro.toml and of `optimization_config`: what stands below a key of the settings."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

ForecastModelName = str


class Table(BaseModel):
    """A table of sro.toml or of optimization_config: unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Strategies(Table):
    """Which objective is used when a request names none."""

    default: str = Field("balanced_optimization", description="Used when no objective is given.")
    emergency: str = Field(
        "reliability_optimization",
        description="Used instead of the default while health is critical; the decision says so.",
    )
    cost_conscious: str = Field(
        "cost_minimization", description="What the objective name `cost_conscious` stands for."
    )


class Forecasting(Table):
    """What a forecast computes when the request does not say."""

    default_horizon_hours: Annotated[int, Field(ge=1, le=168)] = Field(
        24, description="Hours ahead, 1 to 168."
    )
    models: tuple[ForecastModelName, ...] = Field(
        ("linear_trend", "seasonal_patterns", "spike_detection", "ml_hybrid"),
        description="The models to compute; fewer are faster.",
        min_length=1,
    )


class PoolSetting(Table):
    """A pool that sro.toml names, or corrects; where nothing else is said, its capacity alone."""

    capacity: float | str = Field(
        description='How much there is: 4, "8 GiB", "5000/h", "20 USD/day" (a window refills).'
    )
    kind: Literal["compressible", "incompressible", "budget"] | None = Field(
        None, description="What too little does; budgets are spent, the others are given back."
    )
    reserve: Annotated[FiniteFloat, Field(ge=0, lt=1)] | None = Field(
        None, description="Share that is never leased, 0 to 1."
    )
    scope: Literal["host", "shared"] = Field(
        "host", description="host: each machine has its own; shared: all of the store share one."
    )
    indexed: bool | None = Field(
        None,
        description="Whether a lease holds certain ones, by index from 0; gpu is unless false.",
    )

    @model_validator(mode="before")
    @classmethod
    def _capacity_alone(cls, given: Any) -> Any:
        is_amount = isinstance(given, int | float | str) and not isinstance(given, bool)
        return {"capacity": given} if is_amount else given


class PriceSetting(Table):
    """What a unit of a resource costs, with where the figure is from."""

    usd_per_unit_hour: Annotated[FiniteFloat, Field(ge=0)] = Field(
        description="US dollars for one core, GiB, or device for one hour."
    )
    source: str = Field(description="Where the price is from.", min_length=1)
    date: str = Field(description="The day on which it held, YYYY-MM-DD.", min_length=10)
    spread: Annotated[FiniteFloat, Field(ge=0, lt=1)] = Field(
        0.0, description="Share by which it may be lower or higher, for the interval of costs."
    )


class CandidateServer(Table):
    """An MCP server that may be chosen: a command, or a URL."""

    command: str | None = Field(None, description="Program of a stdio server.")
    args: tuple[str, ...] = Field((), description="Its arguments.")
    env: dict[str, str] = Field(default_factory=dict, description="Its environment; masked.")
    url: str | None = Field(None, description="Address of an HTTP server, instead of a command.")
    headers: dict[str, str] = Field(
        default_factory=dict, description="What requests to it carry; masked."
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.command is None) == (self.url is None):
            raise ValueError("give a command or a url, one of them")
        return self


class Candidates(Table):
    """MCP servers that a choice may name without being told, and which of them may be started."""

    host_configs: tuple[str, ...] = Field(
        (),
        description="Configuration files of MCP hosts (mcp.json), or hosts by name: claude, "
        "cursor, vscode.",
    )
    servers: dict[str, CandidateServer] = Field(
        default_factory=dict, description="Further servers by name."
    )
    profile: tuple[str, ...] = Field((), description="Ids of servers that profile_mcp may start.")
    probes: dict[str, dict[str, dict[str, Any]]] = Field(
        default_factory=dict,
        description="Id to tools that only read, to the arguments that each is probed with.",
    )
    allow_local: bool = Field(
        False,
        description="Whether the URL of a profiled server may lead to this machine or a private "
        "network, over plain HTTP too.",
    )


class ActuatorSetting(Table):
    """A command that a decision may have carried out, by `apply_decision` alone.

    Operators write it; no shell reads it, and no argument of a caller gets into it.
    """

    resource: str = Field(description="What it sets the amount of: cpu, memory, storage or gpu.")
    command: tuple[str, ...] = Field(
        min_length=1,
        description='Program and arguments; "{to}", "{from}" and "{delta}" stand for numbers that '
        "the decision computed.",
    )
    verify: tuple[str, ...] | None = Field(
        None,
        min_length=1,
        description="Program and arguments that end with 0 once the change is in force.",
    )
    unit: Literal["core", "device", "byte", "KiB", "MiB", "GiB"] | None = Field(
        None, description="Unit of the numbers; by default the resource's own (core, byte, device)."
    )
    downtime: bool = Field(
        False, description="Whether it interrupts running work; `emergency` then leaves it out."
    )
    description: str = Field("", description="What it does, for people and agents.")
    timeout_s: Annotated[FiniteFloat, Field(gt=0, le=3600)] = Field(
        60.0, description="Seconds after which it is ended."
    )


Level = Annotated[FiniteFloat, Field(gt=0, le=100)]
Part = Annotated[FiniteFloat, Field(gt=0, le=1)]


class Levels(Table):
    """The discrete amounts that a decision considers; max_resource_increase bounds them."""

    multipliers: tuple[Level, ...] = Field(
        (0.5, 0.75, 1.0, 1.25, 1.5, 2.0),
        max_length=12,
        description="Of the machine, as multiples of what there is.",
    )
    lease_shares: tuple[Part, ...] = Field(
        (0.1, 0.25, 0.5, 0.75, 1.0),
        max_length=12,
        description="Of a lease, as shares of what no lease holds.",
    )
    quota_shares: tuple[Part, ...] = Field(
        (0.5, 0.75), max_length=12, description="Of a quota, as shares of what can be leased."
    )
    lease_headroom: Annotated[FiniteFloat, Field(ge=1, le=10)] = Field(
        1.5,
        description="A lease that shrinks keeps at least its use times this, a judgement; more "
        "where the forecast says that use may grow by more.",
    )
    validation_cycles: tuple[Annotated[int, Field(ge=1, le=100)], ...] = Field(
        (1, 2, 3, 5),
        max_length=12,
        description="Of a task's validation, in cycles; none is considered always.",
    )
