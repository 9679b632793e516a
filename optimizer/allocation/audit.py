"""The proof that the ledger adds up: every pool counted from the log, from the leases, and kept."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from optimizer.allocation.ledger import PoolAudit
from optimizer.quantities import Unit, format_amount, from_parts


class PoolProof(BaseModel):
    """One pool, added up in three independent ways, in absolute units."""

    model_config = ConfigDict(frozen=True)

    resource: str = Field(description="Name of the pool.")
    host: str = Field(description="The machine that has it; shared: all of the store.")
    unit: Unit = Field(description="Unit of every figure here.")
    capacity: float | None = Field(
        description="More may not be out: the capacity, or what was out already when it shrank; "
        "null without a known limit."
    )
    allocated: float = Field(description="Leased, as the pool's own counter says.")
    from_log: float = Field(description="Leased, as the sum over the log of grants.")
    from_leases: float = Field(description="Leased, as the sum over active leases.")
    spent: float = Field(description="Of a budget: spent since its last reset, by the counter.")
    spent_from_log: float = Field(description="The same as the sum over the log.")
    slots_hold: bool = Field(
        description="Whether every index is held as often as leases say, and at most once."
    )
    holds: bool = Field(description="Whether all ways agree, within the capacity.")
    summary: str = Field(description="The same in words.")


class AuditReport(BaseModel):
    """Whether sum(leases) = allocated <= capacity, for every pool of the store."""

    model_config = ConfigDict(frozen=True)

    holds: bool = Field(description="Whether every pool holds.")
    summary: str = Field(description="What was found.")
    audited_at: AwareDatetime
    pools: tuple[PoolProof, ...] = Field(description="Every pool of every host of the store.")


def audit_report(found: Sequence[PoolAudit], at: datetime) -> AuditReport:
    """What people and programs read of an audit."""
    proofs = tuple(_proof(pool) for pool in found)
    broken = [f"{proof.resource} of {proof.host}" for proof in proofs if not proof.holds]
    summary = (
        f"The books do not add up for {', '.join(broken)}: stop granting, keep a copy of the "
        "database, and report it."
        if broken
        else f"{len(proofs)} pools: sum of leases = allocated <= capacity holds for each, counted "
        "from the log, from the leases and by the counters."
    )
    return AuditReport(holds=not broken, summary=summary, audited_at=at, pools=proofs)


def _proof(pool: PoolAudit) -> PoolProof:
    def amount(parts: int) -> float:
        return from_parts(parts, pool.unit)

    most = None if pool.ceiling is None else amount(pool.ceiling)
    shown = [format_amount(amount(n), pool.unit) for n in (pool.from_leases, pool.counted)]
    limit = "no limit known" if most is None else format_amount(most, pool.unit)
    said = f"leases {shown[0]} {'=' if pool.from_leases == pool.counted else '!='} {shown[1]}"
    return PoolProof(
        resource=pool.resource,
        host=pool.host,
        unit=pool.unit,
        capacity=most,
        allocated=amount(pool.counted),
        from_log=amount(pool.from_log),
        from_leases=amount(pool.from_leases),
        spent=amount(pool.spent),
        spent_from_log=amount(pool.spent_from_log),
        slots_hold=pool.slots_hold,
        holds=pool.holds,
        summary=f"{said} allocated, of {limit}",
    )
