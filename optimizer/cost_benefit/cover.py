"""A set of options that together offer what is needed: the best one, exactly."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from optimizer.errors import InvalidRequestError
from optimizer.milp import Program, maximise
from optimizer.statistics import FloatArray

LIMIT_S = 10.0
"""Seconds; 50 servers take a hundredth of it."""

ATTEMPTS = 5
"""How often a limit is drawn closer when a solution exceeds it within the solver's tolerance."""


@dataclass(frozen=True)
class Server:
    """An option as a member of a set.

    Attributes:
        id: The option.
        gains: Capability that it offers to what serving it is worth, in USD.
        fixed_cost: What having it in the set costs in USD: its tool list in context, its start.
        tokens: Tokens of its tool list.
        spends: Capability to what its calls cost in USD, for the budget.
    """

    id: str
    gains: Mapping[str, float]
    fixed_cost: float
    tokens: float = 0.0
    spends: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Cover:
    """A set of options.

    Attributes:
        serves: Capability to the option that serves it.
        missing: Capabilities that no affordable set offers: as few as possible.
        value: USD of the set.
    """

    serves: Mapping[str, str]
    missing: tuple[str, ...]
    value: float

    @property
    def ids(self) -> tuple[str, ...]:
        """The chosen options."""
        return tuple(sorted(set(self.serves.values())))


def best_cover(
    capabilities: Sequence[str],
    servers: Sequence[Server],
    *,
    max_tokens: float | None = None,
    budget_usd: float | None = None,
) -> Cover:
    """The set that covers most capabilities, and among those the most valuable.

    An integer program that asks for all that is offered; where limits forbid that, for the most
    that can be covered first. What the solver chose is added up again, and a limit that it exceeds
    within its tolerance is drawn closer.

    Args:
        capabilities: What is needed.
        servers: What could be in the set.
        max_tokens: Most tokens of tool lists together; None for no limit.
        budget_usd: Most USD for calls together; None for no limit.

    Raises:
        InvalidRequestError: The best set was not proved in time.
    """
    needed = sorted(set(capabilities))
    problem = _Problem(
        needed,
        sorted(servers, key=lambda server: server.id),
        max_tokens=math.inf if max_tokens is None else max_tokens,
        budget_usd=math.inf if budget_usd is None else budget_usd,
    )
    chosen = problem.solve()
    serves = {pair.capability: pair.server.id for pair in chosen}
    used = {pair.server.id: pair.server.fixed_cost for pair in chosen}
    return Cover(
        serves=serves,
        missing=tuple(capability for capability in needed if capability not in serves),
        value=math.fsum(pair.gain for pair in chosen) - math.fsum(used.values()),
    )


@dataclass(frozen=True)
class _Pair:
    """A server that serves a capability."""

    server: Server
    capability: str

    @property
    def gain(self) -> float:
        return self.server.gains[self.capability]

    @property
    def spend(self) -> float:
        return self.server.spends.get(self.capability, 0.0)


class _Problem:
    """Variables: a server is in the set; a pair serves. One row for each thing that must hold."""

    def __init__(
        self,
        capabilities: Sequence[str],
        servers: Sequence[Server],
        *,
        max_tokens: float,
        budget_usd: float,
    ) -> None:
        self._servers = [s for s in servers if s.tokens <= max_tokens]
        self._pairs = [
            _Pair(server, capability)
            for server in self._servers
            for capability in capabilities
            if capability in server.gains and server.spends.get(capability, 0.0) <= budget_usd
        ]
        self._max_tokens, self._budget_usd = max_tokens, budget_usd
        offered = sorted({pair.capability for pair in self._pairs})
        place = {server.id: i for i, server in enumerate(self._servers)}
        first, self._once = len(self._servers), len(offered)
        rows = np.zeros((self._once + len(self._pairs) + 3, first + len(self._pairs)))
        for i, pair in enumerate(self._pairs):
            rows[offered.index(pair.capability), first + i] = 1.0  # one serves a capability
            only_in_set = self._once + i
            rows[only_in_set, [place[pair.server.id], first + i]] = -1.0, 1.0
        rows[-3, first:] = 1.0
        rows[-2, :first] = [server.tokens for server in self._servers]
        rows[-1, first:] = [pair.spend for pair in self._pairs]
        self._rows = rows
        costs = [-server.fixed_cost for server in self._servers]
        self._values = np.array(costs + [pair.gain for pair in self._pairs])
        self._counts = np.repeat([0.0, 1.0], [first, len(self._pairs)])

    def solve(self) -> list[_Pair]:
        """The pairs of the best set."""
        if not self._pairs:
            return []
        tokens, budget = self._max_tokens, self._budget_usd
        for _ in range(ATTEMPTS):
            chosen = self._best(tokens, budget)
            used = {pair.server.id: pair.server.tokens for pair in chosen}
            too_many = math.fsum(used.values()) > self._max_tokens
            too_dear = math.fsum(pair.spend for pair in chosen) > self._budget_usd
            if not too_many and not too_dear:
                return chosen
            tokens -= 1e-6 * max(1.0, tokens) if too_many else 0.0
            budget -= 1e-6 * max(1.0, budget) if too_dear else 0.0
        raise _not_proved(len(self._servers))

    def _best(self, max_tokens: float, budget_usd: float) -> list[_Pair]:
        """All that is offered if the limits let it, else as many as they do; the most valuable."""
        limits = (max_tokens, budget_usd)
        chosen = self._choose(self._values, self._once, *limits)
        if chosen is None:
            most = self._choose(self._counts, 0, *limits)
            assert most is not None, "nothing at all holds every limit"
            chosen = self._choose(self._values, len(most), *limits)
        if chosen is None:
            raise _not_proved(len(self._servers))
        return chosen

    def _choose(
        self, values: FloatArray, least: int, max_tokens: float, budget_usd: float
    ) -> list[_Pair] | None:
        """The pairs, at least so many, that are worth most; None when there are not so many."""
        high = np.zeros(len(self._rows))
        high[: self._once] = 1.0
        high[-3:] = self._once, max_tokens, budget_usd
        low = np.full(len(self._rows), -math.inf)
        low[-3] = least
        if least == self._once:
            low[: self._once] = 1.0
        whole = np.ones(values.size, dtype=bool)
        program = Program(values, self._rows, low, high, whole)
        solution = maximise(program, gap=0, limit_s=LIMIT_S, bound_first=True)
        if solution is None:
            return None
        if not solution.is_proven:
            raise _not_proved(len(self._servers))
        serving = solution.x[len(self._servers) :] > 0.5
        return [pair for pair, serves in zip(self._pairs, serving, strict=True) if serves]


def _not_proved(servers: int) -> InvalidRequestError:
    return InvalidRequestError(
        f"the best set could not be proved among {servers} candidates; give fewer candidates or "
        "capabilities. Nothing was analysed",
        field="available_mcps",
    )
