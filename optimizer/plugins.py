"""Named parts: the built-in ones, and those that installed packages announce as entry points."""

import difflib
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Generic, Protocol, TypeVar

from optimizer.errors import ConfigurationError, InvalidRequestError

logger = logging.getLogger("sequential_resource_optimization.plugins")

GROUP_PREFIX = "sequential_resource_optimization"


class Named(Protocol):
    """A part that can be asked for by name."""

    @property
    def name(self) -> str:
        """The name that requests and configuration use."""


PartT = TypeVar("PartT", bound=Named)


@dataclass(frozen=True)
class Broken:
    """A plug-in that could not be loaded; it is skipped and shown by get_health."""

    name: str
    reason: str


class Registry(Generic[PartT]):
    """Parts of one kind by name.

    Args:
        kind: What the parts are, in words, for messages: "objective", "forecast model".
        parts: The parts; two of one name stop the start.
        broken: Plug-ins that failed to load.

    Raises:
        ConfigurationError: Two parts have one name.
    """

    def __init__(self, kind: str, parts: Iterable[PartT], broken: Iterable[Broken] = ()) -> None:
        self.kind = kind
        self.broken = tuple(broken)
        self._parts: dict[str, PartT] = {}
        for part in parts:
            if part.name in self._parts:
                raise ConfigurationError(
                    setting=f"{kind} {part.name!r}",
                    problem="two parts have this name",
                    fix="uninstall one of the packages that bring it, or rename one",
                )
            self._parts[part.name] = part

    def __getitem__(self, name: str) -> PartT:
        """The part of that name.

        Raises:
            InvalidRequestError: There is none; the message lists those that exist.
        """
        try:
            return self._parts[name]
        except KeyError:
            known = ", ".join(self._parts)
            near = difflib.get_close_matches(name[:60], list(self._parts), n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise InvalidRequestError(
                f"unknown {self.kind} {name[:60]!r}; {hint}known: {known}"
            ) from None

    def __contains__(self, name: object) -> bool:
        return name in self._parts

    def __iter__(self) -> Iterator[PartT]:
        return iter(self._parts.values())

    def __len__(self) -> int:
        return len(self._parts)

    @property
    def names(self) -> tuple[str, ...]:
        """Names in the order of registration."""
        return tuple(self._parts)


def assemble(
    kind: str, built_in: Iterable[PartT], *, group: str, needs: str, further: Iterable[PartT] = ()
) -> Registry[PartT]:
    """Put the built-in parts, those of installed packages and those of the caller together.

    Args:
        kind: What the parts are, in words, for messages.
        built_in: Ours.
        group: Last word of the entry-point group, for example `strategies` for
            `sequential_resource_optimization.strategies`.
        needs: The method that a part must have beside its name.
        further: Parts that a program hands in.

    Returns:
        The registry; what could not be loaded is skipped and stands in `broken`.

    Raises:
        ConfigurationError: Two parts have one name.
    """
    parts: list[PartT] = [*built_in, *further]
    broken: list[Broken] = []
    for entry_point in entry_points(group=f"{GROUP_PREFIX}.{group}"):
        try:
            parts.append(_part(entry_point.load(), needs))
        except Exception as error:
            logger.exception("plug-in %s of %s failed to load", entry_point.name, group)
            broken.append(Broken(name=entry_point.name, reason=f"{type(error).__name__}: {error}"))
    return Registry(kind, parts, broken)


def _part(loaded: Any, needs: str) -> Any:
    """An instance that has what a part of this kind needs.

    Raises:
        TypeError: It has not.
    """
    part = loaded() if isinstance(loaded, type) else loaded
    if not isinstance(getattr(part, "name", None), str) or not callable(getattr(part, needs, None)):
        raise TypeError(f"it needs a `name` and a method `{needs}`")
    return part
