"""The ledger's tables, as the migrations leave them."""

from sqlalchemy import BigInteger, Column, Float, Integer, MetaData, Table, Text

from optimizer.store.engine import UtcDateTime

_metadata = MetaData()

pools = Table(
    "pools",
    _metadata,
    Column("host", Text, primary_key=True),
    Column("resource", Text, primary_key=True),
    Column("unit", Text),
    Column("kind", Text),
    Column("ceiling", BigInteger),
    Column("leased", BigInteger),
    Column("spent", BigInteger),
    Column("overdrawn", BigInteger),
    Column("resets_at", UtcDateTime),
)

leases = Table(
    "leases",
    _metadata,
    Column("fencing_token", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("allocation_id", Text),
    Column("principal", Text),
    Column("request_id", Text),
    Column("fingerprint", Text),
    Column("purpose", Text),
    Column("priority_level", Text),
    Column("strategy", Text),
    Column("strategy_effect", Text),
    Column("ttl_s", Integer),
    Column("state", Text),
    Column("granted_at", UtcDateTime),
    Column("expires_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("min_fraction", Float),
    Column("yields_to", Text),
    Column("preempted_for", Text),
    Column("would_expire_at", UtcDateTime),
)

grants = Table(
    "grants",
    _metadata,
    Column("fencing_token", BigInteger, primary_key=True),
    Column("host", Text, primary_key=True),
    Column("resource", Text, primary_key=True),
    Column("unit", Text),
    Column("requested", BigInteger),
    Column("granted", BigInteger),
    Column("burst", BigInteger),
    Column("used", BigInteger),
    Column("slots", Text),
)

slots = Table(
    "slots",
    _metadata,
    Column("host", Text, primary_key=True),
    Column("resource", Text, primary_key=True),
    Column("slot", Integer, primary_key=True),
    Column("size", BigInteger),
    Column("held", BigInteger),
)

grant_log = Table(
    "grant_log",
    _metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", UtcDateTime),
    Column("host", Text),
    Column("resource", Text),
    Column("fencing_token", BigInteger),
    Column("event", Text),
    Column("leased", BigInteger),
    Column("spent", BigInteger),
    Column("overdrawn", BigInteger),
)

ledger_watch = Table(
    "ledger_watch",
    _metadata,
    Column("id", Integer, primary_key=True),
    Column("seen_at", UtcDateTime),
)
