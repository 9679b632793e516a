"""A set of options that together offer what is needed: the best one, exactly."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from optimizer.errors import InvalidRequestError
from optimizer.statistics import FloatArray

BoolArray = NDArray[np.bool_]

MAX_NODES = 50_000
"""Branches that the search looks at before it gives up: two or three seconds."""


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

    Args:
        capabilities: What is needed.
        servers: What could be in the set.
        max_tokens: Most tokens of tool lists together; None for no limit.
        budget_usd: Most USD for calls together; None for no limit.

    Returns:
        An optimal set: branch and bound proves it.

    Raises:
        InvalidRequestError: Too many equally good sets to prove the best one.
    """
    search = _Search(
        sorted(set(capabilities)),
        sorted(servers, key=lambda server: server.id),
        max_tokens=math.inf if max_tokens is None else max_tokens,
        budget_usd=math.inf if budget_usd is None else budget_usd,
    )
    return search.run()


class _Search:
    """Assigns capability after capability to a server, the scarcest capability first.

    Covering counts more than everything that a set can be worth, so the most valuable assignment
    also covers the most.
    """

    def __init__(
        self,
        capabilities: Sequence[str],
        servers: Sequence[Server],
        *,
        max_tokens: float,
        budget_usd: float,
    ) -> None:
        self._servers = servers
        self._max_tokens, self._budget_usd = max_tokens, budget_usd
        self._capabilities = sorted(
            capabilities, key=lambda c: (sum(c in server.gains for server in servers), c)
        )
        self._fixed = np.array([server.fixed_cost for server in servers], dtype=np.float64)
        self._tokens = np.array([server.tokens for server in servers], dtype=np.float64)
        self._spends = self._table(lambda server: server.spends, default=0.0)
        gains = self._table(lambda server: server.gains, default=-math.inf)
        self._offers = np.isfinite(gains)
        self._covering_is_worth = 1.0 + float(self._fixed.sum() + np.abs(gains[self._offers]).sum())
        self._gains = gains + self._covering_is_worth
        self._token_prices = self._promising_token_prices()
        self._best: tuple[float, dict[int, int]] = (-math.inf, {})
        self._nodes = 0

    def _table(
        self, column: Callable[[Server], Mapping[str, float]], *, default: float
    ) -> FloatArray:
        """A number for each server and capability, shape (servers, capabilities)."""
        rows = [
            [column(server).get(capability, default) for capability in self._capabilities]
            for server in self._servers
        ]
        shape = (len(self._servers), len(self._capabilities))
        return np.array(rows, dtype=np.float64).reshape(shape)

    def run(self) -> Cover:
        self._search(0, {}, 0.0, 0.0, 0.0)
        reached, serving = self._best
        serves = {self._capabilities[c]: self._servers[s].id for c, s in serving.items()}
        return Cover(
            serves=serves,
            missing=tuple(sorted(c for c in self._capabilities if c not in serves)),
            value=reached - self._covering_is_worth * len(serves),
        )

    def _promising_token_prices(self) -> list[float]:
        """Prices of a token at which the bound of the empty set is lowest, and near it."""
        if not math.isfinite(self._max_tokens) or not self._servers:
            return [0.0]
        nobody = np.zeros(len(self._servers), dtype=bool)
        scale = self._covering_is_worth / max(1.0, self._max_tokens)
        grid = [0.0, *(scale * 1.5**power for power in range(-60, 12))]
        bounds = [self._bound(0, nobody, 0.0, price) for price in grid]
        best = grid[bounds.index(min(bounds))]
        return sorted({0.0, best / 3, best, best * 3})

    def _bound(self, depth: int, opened: BoolArray, tokens: float, token_price: float) -> float:
        """What the capabilities left can add at most.

        A server that is not in the set yet shares its fixed cost among all the capabilities left
        that it offers, which never overstates what one of them has to pay. Tokens that are left
        may be bought at any price of a token without making the bound too low (Lagrange).
        """
        left_tokens = self._max_tokens - tokens
        shared = np.maximum(1, self._offers[:, depth:].sum(axis=1))
        cost = (self._fixed + token_price * self._tokens) / shared
        cost = np.where(opened, 0.0, np.where(self._tokens > left_tokens, math.inf, cost))
        best = (self._gains[:, depth:] - cost[:, None]).max(axis=0, initial=0.0)
        bought = token_price * left_tokens if token_price > 0 else 0.0
        return float(best.sum()) + bought

    def _search(
        self, depth: int, serving: dict[int, int], value: float, tokens: float, spent: float
    ) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise InvalidRequestError(
                f"the best set could not be proved among {len(self._servers)} candidates and "
                f"{len(self._capabilities)} capabilities; give fewer of either. "
                "Nothing was analysed",
                field="available_mcps",
            )
        if depth == len(self._capabilities):
            if value > self._best[0]:
                self._best = (value, serving)
            return
        opened = np.zeros(len(self._servers), dtype=bool)
        opened[list(serving.values())] = True
        for price in self._token_prices:
            if value + self._bound(depth, opened, tokens, price) <= self._best[0]:
                return
        gains = self._gains[:, depth] - np.where(opened, 0.0, self._fixed)
        for server in np.argsort(-gains, kind="stable"):
            if not self._offers[server, depth]:
                break
            more_tokens = 0.0 if opened[server] else float(self._tokens[server])
            more_spend = float(self._spends[server, depth])
            if tokens + more_tokens > self._max_tokens or spent + more_spend > self._budget_usd:
                continue
            self._search(
                depth + 1,
                {**serving, depth: int(server)},
                value + float(gains[server]),
                tokens + more_tokens,
                spent + more_spend,
            )
        self._search(depth + 1, serving, value, tokens, spent)
