"""get_alerts: what is beyond a threshold now or expected to be, and what was before."""

from collections.abc import Iterable
from typing import Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field

from optimizer.monitoring.health import explain
from optimizer.monitoring.sample import Alert, PastAlert


class AlertsRequest(BaseModel):
    """How far to look back."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    limit: Annotated[int, Field(ge=1, le=200)] = Field(
        20, description="Most alerts to list, 1 to 200."
    )


class Alerts(BaseModel):
    """The alerts of this machine."""

    model_config = ConfigDict(frozen=True)

    standing: tuple[Alert, ...] = Field(description="What stands now, or is expected.")
    recent: tuple[PastAlert, ...] = Field(description="The latest that were raised, newest first.")
    details: dict[str, str] = Field(description="What stands, in a sentence, with what to do.")


class KeepsAlerts(Protocol):
    """Where alerts last."""

    async def recent(self, host: str, *, limit: int) -> tuple[PastAlert, ...]:
        """The newest alerts of a host, newest first."""


async def get_alerts(
    request: AlertsRequest, *, standing: Iterable[Alert], host: str, keeper: KeepsAlerts
) -> Alerts:
    """The alerts of a machine.

    Args:
        request: How far to look back.
        standing: What the monitor has raised.
        host: The machine.
        keeper: Knows the past ones.

    Raises:
        StorageError: The store cannot be read.
    """
    now = tuple(standing)
    return Alerts(
        standing=now,
        recent=await keeper.recent(host, limit=request.limit),
        details={alert.word: explain(alert) for alert in now},
    )
