"""The ledger: pools, leases, what each lease holds, and the log of every change."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

_KEY = BigInteger().with_variant(Integer, "sqlite")
_metadata = MetaData()

Table(
    "pools",
    _metadata,
    Column("host", Text, primary_key=True),
    Column("resource", Text, primary_key=True),
    Column("unit", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("ceiling", BigInteger),
    Column("leased", BigInteger, nullable=False),
    Column("spent", BigInteger, nullable=False),
    Column("overdrawn", BigInteger, nullable=False),
    Column("resets_at", BigInteger),
    CheckConstraint("leased >= 0", name="pools_leased_not_negative"),
    CheckConstraint("spent >= 0", name="pools_spent_not_negative"),
    CheckConstraint("overdrawn >= 0", name="pools_overdrawn_not_negative"),
    CheckConstraint(
        "ceiling IS NULL OR leased + spent <= ceiling", name="pools_never_over_committed"
    ),
)

Table(
    "leases",
    _metadata,
    Column("fencing_token", _KEY, primary_key=True, autoincrement=False),
    Column("allocation_id", Text, nullable=False, unique=True),
    Column("principal", Text, nullable=False),
    Column("request_id", Text),
    Column("fingerprint", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("priority_level", Text, nullable=False),
    Column("strategy", Text, nullable=False),
    Column("strategy_effect", Text, nullable=False),
    Column("ttl_s", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("granted_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    UniqueConstraint("principal", "request_id"),
    CheckConstraint("state IN ('active', 'released', 'expired')", name="leases_known_state"),
    CheckConstraint("(state = 'active') = (ended_at IS NULL)", name="leases_end_when_over"),
    Index("leases_by_end", "state", "expires_at"),
)

Table(
    "grants",
    _metadata,
    Column("fencing_token", _KEY, ForeignKey("leases.fencing_token"), primary_key=True),
    Column("host", Text, primary_key=True),
    Column("resource", Text, primary_key=True),
    Column("unit", Text, nullable=False),
    Column("requested", BigInteger, nullable=False),
    Column("granted", BigInteger, nullable=False),
    Column("burst", BigInteger),
    Column("used", BigInteger),
    CheckConstraint("granted > 0 AND granted <= requested", name="grants_within_request"),
)

Table(
    "grant_log",
    _metadata,
    Column("seq", _KEY, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("host", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("fencing_token", _KEY),
    Column("event", Text, nullable=False),
    Column("leased", BigInteger, nullable=False),
    Column("spent", BigInteger, nullable=False),
    Column("overdrawn", BigInteger, nullable=False),
    Index("grant_log_by_pool", "host", "resource"),
    sqlite_autoincrement=True,
)

Table(
    "ledger_watch",
    _metadata,
    Column("id", Integer, primary_key=True),
    Column("seen_at", BigInteger, nullable=False),
)


def up(connection: Connection) -> None:
    """Create the tables."""
    _metadata.create_all(connection, checkfirst=False)
