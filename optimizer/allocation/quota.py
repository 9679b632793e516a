"""Quotas: the most of a pool that the leases of one principal may hold at once."""

from collections.abc import Mapping

from optimizer.allocation.pool import ResourcePool
from optimizer.errors import ConfigurationError, InvalidRequestError
from optimizer.quantities import parse_amount, to_parts

EVERYBODY = "*"
"""Whoever is not named, and what is not said of who is."""


class Quotas:
    """What the operator says each principal may hold.

    Args:
        configured: By principal, then by pool: an amount as in a request.
        pools: The pools, by name.

    Raises:
        ConfigurationError: A pool that does not exist, or an amount that cannot be read.
    """

    def __init__(
        self,
        configured: Mapping[str, Mapping[str, float | str]],
        pools: Mapping[str, ResourcePool],
    ) -> None:
        self._parts = {
            principal: {name: _read(principal, name, said, pools) for name, said in amounts.items()}
            for principal, amounts in configured.items()
        }

    def replaced(self, principal: str, pool: str, parts: int | None) -> "Quotas":
        """The same with another quota of one principal; None is without one."""
        changed = Quotas({}, {})
        changed._parts = {name: dict(parts) for name, parts in self._parts.items()}
        amounts = changed._parts.setdefault(principal, {})
        amounts.pop(pool, None)
        if parts is not None:
            amounts[pool] = parts
        return changed

    def of(self, principal: str) -> Mapping[str, int]:
        """Whole parts by pool; a pool that is missing has no quota."""
        return {**self._parts.get(EVERYBODY, {}), **self._parts.get(principal, {})}


def _read(principal: str, name: str, said: float | str, pools: Mapping[str, ResourcePool]) -> int:
    setting = f"sro.toml: quotas.{principal}.{name}"
    pool = pools.get(name)
    if pool is None:
        raise ConfigurationError(
            setting=setting, problem="there is no such pool", fix=f"use one of: {', '.join(pools)}"
        )
    try:
        amount = parse_amount(said, resource=pool.resource, capacity=pool.capacity, allow_zero=True)
    except InvalidRequestError as error:
        raise ConfigurationError(
            setting=setting,
            problem=f"{said!r} is not an amount ({error})",
            fix='write it as in a request, for example "2 cores" or "50 %"',
        ) from None
    return to_parts(amount.guaranteed, pool.unit)
