"""Changes of the ledger: what each does to the books of one transaction."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from optimizer.allocation.admission import Admission, Freeing, Refusal, least_parts
from optimizer.allocation.lease import PRIORITIES, Grant, Lease
from optimizer.allocation.ledger import (
    Admitted,
    Changed,
    Decide,
    Declined,
    Draft,
    Moment,
    Room,
)
from optimizer.allocation.pool import Balance, ResourcePool
from optimizer.allocation.preemption import choose_victims
from optimizer.allocation.slots import choose_slots
from optimizer.errors import InvalidRequestError
from optimizer.quantities import PARTS
from optimizer.store.ledger_books import Books, PoolKey
from optimizer.store.ledger_leases import BY_ID, load_leases, settle_grant, update_lease


def admit(draft: Draft, decide: Decide, grace_s: float | None, books: Books) -> Admitted | Declined:
    """Grant what `decide` admits; see `Ledger.admit`.

    Raises:
        InvalidRequestError: The request id was used for another request.
    """
    earlier = _earlier(books, draft)
    if earlier is not None:
        moment = moment_of(books, draft.principal, but=earlier.allocation_id)
        return Admitted(earlier, replayed=True, moment=moment)
    decision = decide(_balances_for(books, draft))
    yielding: tuple[Lease, ...] = ()
    if not isinstance(decision, Admission) and grace_s is not None:
        yielding = _make_room(books, draft, decision, grace_s)
        if yielding and grace_s == 0:
            books.pass_time()
            decision = decide(_balances_for(books, draft))
    moment = moment_of(books, draft.principal)
    if isinstance(decision, Admission):
        lease = _lease(books, draft, decision)
        books.grant(lease)
        return Admitted(lease, False, moment, yielding, decision.risks)
    if decision.is_lasting:
        return Declined(decision, (), moment, yielding)
    freeings, bound = _freeings(books, decision.missing)
    return Declined(decision, freeings, moment, yielding, bound)


def renew(allocation_id: str, principal: str, ttl_s: int | None, books: Books) -> Changed:
    """Let an active lease end later; see `Ledger.renew`."""
    lease = lease_named(books.connection, allocation_id)
    moment = moment_of(books, principal, but=allocation_id)
    if lease is None or lease.principal != principal or lease.state != "active":
        return _unchanged(lease, principal, moment)
    length = ttl_s or lease.ttl_s
    end = books.at + timedelta(seconds=length)
    if lease.yields_to is None:
        lease = replace(lease, ttl_s=length, expires_at=end)
    else:
        sooner = min(end, lease.expires_at)
        lease = replace(lease, ttl_s=length, expires_at=sooner, would_expire_at=end)
    update_lease(books.connection, lease)
    return Changed(lease, applied=True, overdrawn={}, moment=moment)


def release(allocation_id: str, principal: str, used: Mapping[str, int], books: Books) -> Changed:
    """End an active lease; see `Ledger.release`."""
    lease = lease_named(books.connection, allocation_id)
    moment = moment_of(books, principal, but=allocation_id)
    if lease is None or lease.principal != principal or lease.state != "active":
        return _unchanged(lease, principal, moment)
    lease, overdrawn = _end(books, lease, used)
    return Changed(lease, applied=True, overdrawn=overdrawn, moment=moment)


def resize(allocation_id: str, resource: str, parts: int, room: Room, books: Books) -> Changed:
    """Let an active lease hold another amount of a resource; see `Ledger.resize`."""
    lease = lease_named(books.connection, allocation_id)
    moment = moment_of(books, "", but=allocation_id)
    grant = None if lease is None else _resizable(lease, resource, parts)
    if lease is None or grant is None:
        return Changed(lease, applied=False, overdrawn={}, moment=moment)
    free = room(_balances(books))
    if free is not None and parts - grant.granted > max(0, free):
        return Changed(lease, applied=False, overdrawn={}, moment=moment)
    at: Mapping[int, int] = {}
    if grant.slots:
        key = (grant.host, grant.resource)
        unheld = _with(books.free_slots(key), grant.slots)
        size = PARTS[books.pools[key].unit]
        found_slots = choose_slots(unheld, parts, size=size)
        if found_slots is None:
            return Changed(lease, applied=False, overdrawn={}, moment=moment)
        at = found_slots
    lease = books.resize(lease, grant, parts, at)
    return Changed(lease, applied=True, overdrawn={}, moment=moment)


def move(
    loses: str | None, gains: str, resource: str, parts: int, room: Room, books: Books
) -> bool:
    """Let parts of a resource change hands between two leases; see `Ledger.move`."""
    sides = []
    for name, more in ((loses, -parts), (gains, parts)):
        if name is None:
            continue
        found = load_leases(books.connection, BY_ID, {"allocation_id": name})
        held = next((g for one in found for g in one.grants if g.resource == resource), None)
        if held is None or held.slots or found[0].yields_to is not None:
            return False
        if _resizable(found[0], resource, held.granted + more) is None:
            return False
        sides.append((found[0], held, held.granted + more))
    free = room(_balances(books)) if loses is None else None
    if free is not None and parts > free:
        return False
    for lease, held, now in sides:
        books.resize(lease, held, now, {})
    return True


def _unchanged(lease: Lease | None, principal: str, moment: Moment) -> Changed:
    """A lease that nobody has, that somebody else has, or that is over."""
    if lease is not None and lease.principal != principal:
        return Changed(None, applied=False, overdrawn={}, moment=moment, holder=lease.principal)
    return Changed(lease, applied=False, overdrawn={}, moment=moment)


def lease_named(connection: Connection, allocation_id: str) -> Lease | None:
    """The lease of that id, whoever has it."""
    found = load_leases(connection, BY_ID, {"allocation_id": allocation_id})
    return found[0] if found else None


def moment_of(books: Books, asker: str, but: str = "") -> Moment:
    """The time, what ended (told once), and what of the asker ends soon besides one lease."""
    if not books.ended and not books.ending:
        return books.moment
    ended, books.ended = books.ended, ()
    ending = [
        lease for lease in books.ending if lease.principal == asker and lease.allocation_id != but
    ]
    return Moment(books.at, ended, tuple(ending))


def _balances_for(books: Books, draft: Draft) -> dict[str, Balance]:
    """Balances of the pools that a request touches, with what it needs to be decided."""
    own = books.owned_by(draft.principal) if draft.has_quota else {}
    found = {}
    for asked in draft.asked:
        key = (asked.host, asked.resource)
        balance = books.accounts[key].balance
        if own or asked.burst is not None or books.pools[key].slots:
            balance = replace(
                balance,
                own=own.get(key, 0),
                slots=books.free_slots(key) if books.pools[key].slots else {},
                holders=() if asked.burst is None else books.holders(key),
            )
        found[asked.resource] = balance
    return found


def _make_room(books: Books, draft: Draft, refusal: Refusal, grace_s: float) -> tuple[Lease, ...]:
    """Let leases of lower priority give way to a request.

    Returns:
        Those that have notice for this request, from now or before; empty when all that might
        give way would not make the room.
    """
    known = books.yielding(draft.allocation_id)
    if known or refusal.is_lasting or refusal.is_scattered:
        return tuple(known)
    least = {
        grant.resource: grant.requested - least_parts(grant.requested, draft.min_fraction)
        for grant in draft.asked
    }
    missing = {
        name: parts - least[name]
        for name, parts in refusal.missing.items()
        if books.accounts[_key(draft, name)].kind != "budget"
    }
    if len(missing) < len(refusal.missing):
        return ()
    lower = PRIORITIES[: PRIORITIES.index(draft.priority_level)]
    victims = choose_victims(
        books.below(lower),
        missing,
        priority=draft.priority_level,
        capacity={pool.name: pool.capacity_parts for pool in books.pools.values()},
        at=books.at,
    )
    until = books.at + timedelta(seconds=grace_s)
    return tuple(
        books.give_way(lease, draft.allocation_id, draft.priority_level, until) for lease in victims
    )


def _key(draft: Draft, resource: str) -> PoolKey:
    return next((g.host, g.resource) for g in draft.asked if g.resource == resource)


def _balances(books: Books) -> dict[str, Balance]:
    return {pool.name: books.accounts[key].balance for key, pool in books.pools.items()}


def _freeings(
    books: Books, missing: Mapping[str, int]
) -> tuple[tuple[Freeing, ...], Mapping[str, int]]:
    """What becomes free at resets and at the end of leases, until nothing is missing.

    Returns:
        Each moment, and the parts that processes keep for as long as they run.
    """
    freeings, left, bound = [], dict(missing), Counter[str]()
    for name, balance in _balances(books).items():
        if balance.resets_at is not None and name in left:
            parts = balance.spent + balance.overdrawn
            freeings.append(Freeing(balance.resets_at, {name: parts}))
            left[name] -= parts
    ends = books.ends(tuple(sorted(missing)))
    while any(parts > 0 for parts in left.values()) and (row := next(ends, None)):
        pool = books.pools.get((row.host, row.resource))
        at = None if pool is None else _freed_at(pool, row.expires_at)
        if row.is_bound:
            bound[row.resource] += row.granted
        elif at is not None:
            freeings.append(Freeing(at, {row.resource: row.granted}))
            left[row.resource] -= row.granted
    return tuple(freeings), bound


def _lease(books: Books, draft: Draft, decision: Admission) -> Lease:
    """The lease that was decided on."""
    return Lease(
        allocation_id=draft.allocation_id,
        fencing_token=books.next_token(),
        principal=draft.principal,
        request_id=draft.request_id,
        fingerprint=draft.fingerprint,
        purpose=draft.purpose,
        priority_level=draft.priority_level,
        strategy=draft.strategy,
        strategy_effect=decision.effect,
        ttl_s=draft.ttl_s,
        state="active",
        granted_at=books.at,
        expires_at=books.at + timedelta(seconds=draft.ttl_s),
        ended_at=None,
        grants=tuple([_granted(asked, decision) for asked in draft.asked]),
        min_fraction=draft.min_fraction,
    )


def _granted(asked: Grant, decision: Admission) -> Grant:
    """What is held of what was asked."""
    name = asked.resource
    parts = decision.granted[name]
    if parts == asked.requested and name not in decision.bursts and name not in decision.slots:
        return asked.in_full
    burst, slots = decision.bursts.get(name, asked.burst), decision.slots.get(name, {})
    return replace(asked, granted=parts, burst=burst, slots=slots)


def _end(books: Books, lease: Lease, used: Mapping[str, int]) -> tuple[Lease, dict[str, int]]:
    """Give back what a lease holds.

    Returns:
        The lease as it ended, and what was used beyond what the pools had left.
    """
    token, overdrawn, lines = lease.fencing_token, {}, []
    for grant in lease.grants:
        spent = used.get(grant.resource)
        beyond = books.give_back(grant, token, "released", spent)
        if beyond:
            overdrawn[grant.resource] = beyond
        lines.append(replace(grant, used=spent))
        if spent is not None:
            settle_grant(books.connection, lines[-1], token)
    ended = replace(lease, state="released", ended_at=books.at, grants=tuple(lines))
    update_lease(books.connection, ended)
    return ended, overdrawn


def _resizable(lease: Lease, resource: str, parts: int) -> Grant | None:
    """The grant to resize; None where the lease is over or the amount is beyond its request."""
    if lease.state != "active":
        return None
    return next(
        (g for g in lease.grants if g.resource == resource and 1 <= parts <= g.requested), None
    )


def _with(free: Mapping[int, int], more: Mapping[int, int]) -> dict[int, int]:
    return {slot: parts + more.get(slot, 0) for slot, parts in free.items()}


def _earlier(books: Books, draft: Draft) -> Lease | None:
    """The lease that this principal's key already got.

    Raises:
        InvalidRequestError: The key was used for something else.
    """
    if draft.request_id is None:
        return None
    found = books.granted_for(draft.principal, draft.request_id)
    if found is not None and found.fingerprint != draft.fingerprint:
        raise InvalidRequestError(
            f"request_id {draft.request_id!r} was used for another request (lease "
            f"{found.allocation_id}, {found.state}); send a new request_id, or the same "
            "request again. Nothing was reserved",
            field="request_id",
        )
    return found


def _freed_at(pool: ResourcePool, expires_at: datetime) -> datetime | None:
    """When what a lease holds can be leased again if it just ends: budgets wait for a reset."""
    if pool.kind != "budget":
        return expires_at
    return None if pool.window is None else pool.window.next_reset(expires_at)
