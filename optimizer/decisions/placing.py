"""Which leases should be on another host: the fewest moves after which every host has room."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from optimizer.allocation.placement import place
from optimizer.decisions.figures import Candidate
from optimizer.decisions.levels import LEASED, TOLERANCE
from optimizer.decisions.pareto_front import Front
from optimizer.decisions.snapshot import PlacedLease, ResourceState
from optimizer.statistics import FloatArray

LIMIT_S = 0.1
"""Seconds for the search: the plan waits for it."""


@dataclass(frozen=True)
class HostMove:
    """A lease that has room on another host.

    Attributes:
        lease: What it holds, and where.
        to: The host that it should be on.
    """

    lease: PlacedLease
    to: str


def host_moves(chosen: Candidate, front: Front) -> tuple[HostMove, ...]:
    """The fewest leases that change hosts so that no host runs short of cpu or memory.

    A host has room for what the highest forecast quantile leaves of its chosen amounts. A lease
    counts with all that it holds, on whichever host it is.

    Args:
        chosen: The amounts of each host.
        front: What it was chosen from; hosts without a forecast of both take part in nothing.

    Returns:
        The moves; none where every host has room as it is, or no placement gives all of them room.
    """
    peaks = _peaks(front)
    leases = [lease for lease in front.snapshot.placed if lease.host in peaks]
    if len(peaks) < 2 or not leases:
        return ()
    hosts = list(peaks)
    held = np.array([[lease.held.get(name, 0.0) for name in LEASED] for lease in leases])
    where = np.array([hosts.index(lease.host) for lease in leases])
    on_host = np.zeros((len(hosts), len(LEASED)))
    np.add.at(on_host, where, held)
    amounts = np.array([_amounts(chosen, front, host) for host in hosts])
    others = np.maximum(0.0, np.array(list(peaks.values())) - on_host)
    room = np.maximum(0.0, amounts - others)
    if (on_host <= room * (1 + TOLERANCE)).all():
        return ()
    scale = np.maximum(amounts.max(axis=0), 1.0)
    stays: FloatArray = np.where(where == np.arange(len(hosts))[:, None], 0.0, -1.0)
    uses = np.repeat((held / scale)[None, :, :], len(hosts), axis=0)
    found = place(stays, uses, room / scale, limit_s=LIMIT_S)
    if found is None:
        return ()
    return tuple(
        HostMove(lease, hosts[host])
        for lease, host in zip(leases, found.hosts, strict=True)
        if host is not None and hosts[host] != lease.host
    )


def _peaks(front: Front) -> dict[str, tuple[float, ...]]:
    """The highest forecast quantile of each leased resource, by host that has one of all."""
    by_host: dict[str, dict[str, ResourceState]] = {}
    for basis in front.considered:
        if basis.state.outlook:
            host = basis.state.host or front.snapshot.host
            by_host.setdefault(host, {})[basis.state.resource] = basis.state
    return {
        host: tuple(states[name].outlook[-1].amount for name in LEASED)
        for host, states in by_host.items()
        if states.keys() >= set(LEASED)
    }


def _amounts(chosen: Candidate, front: Front, host: str) -> tuple[float, ...]:
    own = host == front.snapshot.host
    amounts: Mapping[str, float] = chosen.amounts
    return tuple(amounts[name if own else f"{name}@{host}"] for name in LEASED)
