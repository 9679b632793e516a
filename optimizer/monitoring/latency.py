"""What the probes answered, in the words of a sample. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optimizer.monitoring.probes import NOT_ASKED, ProbeResult

ROLES = ("primary", "secondary")

NO_SUCH_PROBE = ProbeResult(None, "no such probe is configured ([probes] in sro.toml)")


@dataclass(frozen=True)
class Latency:
    """How long services take to answer.

    Attributes:
        ms: Milliseconds by role and by name of the probe; None where it is not known.
        unknown: Why not, by the name of the figure in a sample.
    """

    ms: dict[str, float | None]
    unknown: Mapping[str, str]


def latency_of(targets: Sequence[str], answers: Mapping[str, ProbeResult]) -> Latency:
    """Latency from the last answers.

    Args:
        targets: Names of the configured probes; the first two are primary and secondary.
        answers: The last answers, by name.
    """
    asked = {name: answers.get(name, ProbeResult(None, NOT_ASKED)) for name in targets}
    roles = dict.fromkeys(ROLES, NO_SUCH_PROBE) | dict(zip(ROLES, asked.values(), strict=False))
    unknown = {
        **{f"network_latency_{role}_ms": answer.reason for role, answer in roles.items()},
        **{f"network_latency.{name}": answer.reason for name, answer in asked.items()},
    }
    return Latency(
        ms={name: answer.ms for name, answer in (*roles.items(), *asked.items())},
        unknown={figure: reason for figure, reason in unknown.items() if reason is not None},
    )
