"""What a decision starts from: plain values of one moment, with where each is from.

A snapshot is stored with the decision that used it, and the decision can be computed again from it
bit for bit. So it holds no infinity and no NaN: what is not known is None, and `unknown` says why.
"""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, FiniteFloat

from optimizer.decisions.request import Scope
from optimizer.prices import Price
from optimizer.quantities import Unit

NonNegative = Annotated[FiniteFloat, Field(ge=0)]
Probability = Annotated[FiniteFloat, Field(ge=0, le=1)]


class _Noun(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Quantile(_Noun):
    """The demand that is not exceeded with a probability."""

    probability: Annotated[FiniteFloat, Field(gt=0, lt=1)]
    amount: FiniteFloat = Field(description="In the resource's unit.")


class Lever(_Noun):
    """How the amount of a resource can be changed, where something can change it."""

    actuator: str = Field(description="What carries it out, for example `allocate`.")
    downtime: bool = Field(description="Whether running work is interrupted.")


class LeaseUse(_Noun):
    """What a lease holds of a resource, and what its processes were seen to use."""

    name: str = Field(description="Its public name; it opens nothing.")
    held: NonNegative
    used: NonNegative


class PlacedLease(_Noun):
    """A lease of the store, and the host that it is on."""

    name: str = Field(description="Its public name; it opens nothing.")
    host: str
    held: Mapping[str, NonNegative] = Field(description="By resource, in its unit.")


class ResourceState(_Noun):
    """One resource: how much there is, how much of it is used, and how much will be."""

    resource: str
    host: str | None = Field(None, description="Of another machine; None for the snapshot's own.")
    unit: Unit
    capacity: NonNegative | None = Field(description="How much this process may use, in `unit`.")
    capacity_source: str = Field(description="Where the capacity is from.")
    used: NonNegative | None = Field(None, description="Used when the sample was taken.")
    demand: NonNegative | None = Field(
        None, description="Mean use of the last hour; the latest sample while there is no history."
    )
    demand_steps: Annotated[int, Field(ge=0)] = Field(
        0, description="Recorded steps of five minutes that the mean is of; 0 is one sample."
    )
    leased: NonNegative = Field(0.0, description="Promised to leases, in `unit`.")
    reserved: NonNegative = Field(0.0, description="Never leased, in `unit`.")
    available: NonNegative | None = Field(None, description="Free to lease now, in `unit`.")
    leases: tuple[LeaseUse, ...] = Field(
        (), description="Leases whose use is told apart and that have run for a while."
    )
    largest_holding: NonNegative = Field(
        0.0, description="Most that the leases of one principal hold, in `unit`."
    )
    quota: NonNegative | None = Field(
        None, description="Most that a principal without a quota of its own may hold, in `unit`."
    )
    outlook: tuple[Quantile, ...] = Field(
        (),
        description="Forecast demand, by ascending probability: of each probability the greatest "
        "value of any hour of the horizon. Empty when there is no forecast.",
    )
    recommended_change: FiniteFloat | None = Field(
        None,
        description="What the forecast recommends to add, as a fraction of the capacity; negative "
        "for less. None for nothing.",
    )
    recommended_because: str | None = None
    price: Price | None = None
    charged_otherwise: str | None = Field(
        None, description="How it is charged when not by capacity; its cost is then left out."
    )
    lever: Lever | None = Field(None, description="None when only an operator can change it.")
    unknown: Mapping[str, str] = Field(
        default_factory=dict, description="Why a figure is None, by its name."
    )

    @property
    def key(self) -> str:
        """What tells it from the others: `memory`, or `memory@host` on another machine."""
        return self.resource if self.host is None else f"{self.resource}@{self.host}"


class Workload(_Noun):
    """The requests that this machine answers, as far as they were reported or seen."""

    arrival_rate_per_s: NonNegative | None = None
    service_time_s: NonNegative | None = Field(
        None, description="CPU time that one request takes on one core."
    )
    response_time_ms: NonNegative | None = None
    error_rate: Probability | None = Field(
        None, description="Share of the requests of the last hour that failed."
    )
    requests: Annotated[int, Field(ge=0)] = Field(
        0, description="Requests that the error rate was counted from."
    )


class TrackRecord(_Noun):
    """How often the forecast's intervals held in the back-test."""

    nominal: Annotated[FiniteFloat, Field(gt=0, lt=1)] = Field(
        description="Probability that the interval promises."
    )
    coverage: Probability = Field(description="Share of the observations that lay inside.")
    observations: Annotated[int, Field(ge=1)]


class PastRecord(_Noun):
    """How past decisions of this machine did: what came against the bands that they stated."""

    settled: Annotated[int, Field(ge=1)] = Field(
        description="Decisions whose horizon is over, those of one hour counted once."
    )
    held: NonNegative = Field(
        description="How many of them held; one of whose two bands one held counts as half."
    )


class Remembered(_Noun):
    """A past decision, as a new one of its scope is told of it."""

    scope: Scope
    sentence: str


class QuietWindow(_Noun):
    """A stretch of low forecast load."""

    start: AwareDatetime
    end: AwareDatetime
    description: str


class Snapshot(_Noun):
    """Everything a decision knows about one machine at one moment."""

    host: str
    computed_at: AwareDatetime
    version: int = Field(description="The monitor's version that this was made from.")
    health: str = Field(description="healthy, degraded, critical or unknown.")
    issues: tuple[str, ...] = ()
    horizon_hours: Annotated[int, Field(ge=1)]
    resources: tuple[ResourceState, ...]
    elsewhere: tuple[ResourceState, ...] = Field(
        (), description="Resources of the other machines in the store, for the global scope."
    )
    budgets: tuple[ResourceState, ...] = Field(
        (), description="What is spent and not given back, where a limit of it is known."
    )
    placed: tuple[PlacedLease, ...] = Field(
        (), description="Leases of all hosts; empty while this is the only one."
    )
    workload: Workload = Workload()
    track_record: TrackRecord | None = None
    quiet_windows: tuple[QuietWindow, ...] = ()
    past: PastRecord | None = None
    remembered: tuple[Remembered, ...] = ()
    durations: Mapping[str, NonNegative] = Field(
        default_factory=dict,
        description="Seconds that steps took which were carried out before, by their action.",
    )
    unknown: Mapping[str, str] = Field(
        default_factory=dict, description="Why a figure is None, by its name."
    )

    def state(self, resource: str) -> ResourceState | None:
        """One resource by name."""
        return next((state for state in self.resources if state.resource == resource), None)
