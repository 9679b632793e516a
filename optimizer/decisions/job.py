"""What one request is about beside the machine: the task's choices, and the session's budget."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from optimizer.cost_benefit.choices import Choice
from optimizer.prices import HOURS_PER_MONTH

NonNegative = Annotated[FiniteFloat, Field(ge=0)]


class _Noun(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Session(_Noun):
    """What a principal has taken of its budget already."""

    leases: Annotated[int, Field(ge=0)] = Field(description="Leases that it holds.")
    held_usd_month: NonNegative | None = Field(
        description="What they cost, in USD per month; None where one holds what has no price."
    )
    spent_usd: NonNegative = Field(description="Dollars settled in the last 730 hours.")
    left_usd: NonNegative | None = Field(
        description="Dollars that it may still reserve; None where nothing limits them."
    )


class Need(_Noun):
    """What the work uses of a resource."""

    amount: Annotated[FiniteFloat, Field(gt=0)] = Field(
        description="The most of it, in the resource's unit."
    )
    counted: NonNegative = Field(
        0.0, description="How much of that the machine's own use and forecast hold already."
    )
    because: str = Field(description="Where the amount is from, in words.")


class Job(_Noun):
    """The task and the session that a request is for; empty for the scopes of a whole machine."""

    choices: tuple[Choice, ...] = ()
    needs: Mapping[str, Need] = Field(
        default_factory=dict, description="Of cpu and memory, by resource, where it is known."
    )
    absent: Mapping[str, str] = Field(
        default_factory=dict, description="Why a choice is not there, by its name."
    )
    work_s: NonNegative | None = Field(
        None,
        description="Seconds that the task computes on the cpu that it needs, else on all that is "
        "free.",
    )
    times_per_month: NonNegative = Field(1.0, description="How often the task is done.")
    session: Session | None = None
    workloads: Mapping[str, tuple[str, ...]] = Field(
        default_factory=dict, description="What the asker's leases hold, by their purpose."
    )

    @property
    def is_timed(self) -> bool:
        """Whether response times are those of the task, in seconds, instead of the machine's."""
        return bool(self.choices)

    @property
    def held_share(self) -> float:
        """Share of a month that the task's lease is held for; 1 where its length is not known."""
        if self.work_s is None:
            return 1.0
        return min(1.0, self.times_per_month * self.work_s / 3600 / HOURS_PER_MONTH)


NO_JOB = Job()
"""Of the scopes that are about machines, and of a request that says nothing of its task."""
