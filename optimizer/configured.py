"""Settings as the plain values that rooms are built with: rooms never see Settings."""

import socket
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from pathlib import Path

from optimizer.allocation.pool import build_pools
from optimizer.allocation.preemption import PreemptionPolicy
from optimizer.allocation.quota import Quotas
from optimizer.allocation.strategies import BUILT_IN as ALLOCATION_STRATEGIES
from optimizer.allocation.strategies import AllocationStrategy
from optimizer.catalog.configured import Candidates
from optimizer.decisions.levels import MOVABLE, Rules
from optimizer.decisions.objectives import BUILT_IN as OBJECTIVES
from optimizer.decisions.objectives import Objective
from optimizer.decisions.snapshot import Lever
from optimizer.decisions.steps import OWN_ACTUATORS
from optimizer.decisions.strategy import Strategies
from optimizer.enforcement.actuators import OperatorCommand, unknown_placeholder
from optimizer.errors import ConfigurationError
from optimizer.forecasting.planner import BUILT_IN as FORECAST_MODELS
from optimizer.forecasting.protocol import ForecastModel
from optimizer.machine.capacity import discover_capacities
from optimizer.monitoring.probes import Probes
from optimizer.monitoring.sample import Threshold, check_thresholds, critical_at
from optimizer.operations.optimize import Policy
from optimizer.plugins import Registry, assemble
from optimizer.prices import FARGATE, Price, PriceTable
from optimizer.quantities import RESOURCES
from optimizer.settings import Settings
from optimizer.settings_tables import ActuatorSetting
from optimizer.store.engine import Database
from optimizer.thinking.llm import RateLimit
from optimizer.thinking.mind import Mind, mind_at
from optimizer.thinking.prompt import Redactor
from optimizer.thinking.scratchpad import scratchpad_at
from optimizer.thinking.spending import Allowance, Purse

LIVE = frozenset(
    {
        "actuators",
        "alert_thresholds",
        "api_token",
        "auto_reallocate",
        "candidates",
        "cpu_alert_threshold",
        "error_rate_threshold",
        "forecasting",
        "levels",
        "log_level",
        "memory_alert_threshold",
        "optimization_strategies",
        "prices",
        "preemption",
        "preemption_grace_s",
        "probes",
        "quotas",
        "rate_limit",
        "read_only_token",
        "storage_limit",
        "thinking_deadline_s",
        "tokens_file",
        "weights",
    }
)
"""Settings that a running process can change; the others count from its next start."""


def reloaded(running: Settings, read: Settings) -> tuple[Settings, tuple[str, ...]]:
    """What a running process goes by after it read its settings again.

    Returns:
        The settings with what can change, and the names of those that wait for a restart.
    """
    waiting = tuple(
        name
        for name in type(read).model_fields
        if name not in LIVE and getattr(read, name) != getattr(running, name)
    )
    kept = {name: getattr(running, name) for name in waiting}
    return read.model_copy(update=kept), waiting


def problems(settings: Settings) -> tuple[ConfigurationError, ...]:
    """Everything that the rooms would refuse of these settings; nothing is opened."""

    def pools_and_quotas(settings: Settings) -> None:
        folder = store_folder(settings, Database(settings.store_url).path)
        pools = build_pools(discover_capacities(data_dir=folder), settings.pools, host=host_name())
        Quotas(settings.quotas, pools)

    checks: tuple[Callable[[Settings], object], ...] = (
        thresholds,
        lambda settings: objectives(settings, ()),
        forecast_models,
        pools_and_quotas,
        lambda settings: Probes(settings.probes),
        commands,
        lambda settings: scratchpad_at(settings.sequential_thinking_mcp_endpoint),
    )
    found = []
    for check in checks:
        try:
            check(settings)
        except ConfigurationError as error:
            found.append(error)
    return tuple(found)


def host_name() -> str:
    """The name under which this machine's samples and leases are kept."""
    return socket.gethostname()


def store_folder(settings: Settings, path: Path | None) -> Path:
    """The folder whose filesystem counts as this machine's storage."""
    if path is not None:
        return path.parent
    return settings.data_dir or Path.cwd()


def thresholds(settings: Settings) -> dict[str, Threshold]:
    """Alert thresholds by metric: the reference's variables, and alert_thresholds over them.

    Raises:
        ConfigurationError: A metric that is not stored.
    """
    reference = {
        "cpu_usage": settings.cpu_alert_threshold,
        "memory_usage": settings.memory_alert_threshold,
        "error_rate": settings.error_rate_threshold,
    }
    given: dict[str, float | Threshold] = {**reference, **settings.alert_thresholds}
    check_thresholds(given)
    return {metric: _threshold(metric, level) for metric, level in given.items()}


def _threshold(metric: str, level: float | Threshold) -> Threshold:
    if isinstance(level, Threshold):
        return level
    return critical_at(level, "below" if metric == "reliability_score" else "above")


def critical_levels(levels: Mapping[str, Threshold]) -> dict[str, float]:
    """The level from which each metric is critical, for what alerts when it is above one."""
    return {
        metric: level.critical
        for metric, level in levels.items()
        if level.critical is not None and level.direction == "above"
    }


def policy(settings: Settings, levels: Mapping[str, Threshold]) -> Policy:
    """What is configured about decisions."""
    chosen = settings.optimization_strategies
    return Policy(
        strategies=Strategies(
            default=chosen.default,
            emergency=chosen.emergency,
            cost_conscious=chosen.cost_conscious,
        ),
        thresholds=critical_levels(levels),
        horizon_hours=settings.forecasting.default_horizon_hours,
        models=settings.forecasting.models,
        thinking_budget=timedelta(seconds=settings.thinking_deadline_s),
        levers=levers(settings),
    )


def rules(settings: Settings) -> Rules:
    """The amounts that decisions consider."""
    levels = settings.levels
    return Rules(
        multipliers=levels.multipliers,
        lease_shares=levels.lease_shares,
        quota_shares=levels.quota_shares,
        lease_headroom=levels.lease_headroom,
        validation_cycles=levels.validation_cycles,
    )


def levers(settings: Settings) -> dict[str, Lever]:
    """How an operator's command changes a resource, by resource."""
    return {
        setting.resource: Lever(actuator=name, downtime=setting.downtime)
        for name, setting in settings.actuators.items()
    }


def commands(settings: Settings) -> dict[str, OperatorCommand]:
    """The operator's commands, by name.

    Raises:
        ConfigurationError: One names no resource that a decision moves, a resource that another one
            sets, a placeholder that does not exist, or has a name of our own actuators.
    """
    found: dict[str, OperatorCommand] = {}
    for name, setting in settings.actuators.items():
        problem = _wrong_with(name, setting, settings)
        if problem is not None:
            raise ConfigurationError(
                setting=f"sro.toml: actuators.{name}",
                problem=problem,
                fix="see docs/configuration.md, [actuators.NAME]",
            )
        unit = setting.unit or RESOURCES[setting.resource].unit
        found[name] = OperatorCommand(
            name, setting.command, setting.verify, unit, setting.timeout_s
        )
    return found


def _wrong_with(name: str, setting: ActuatorSetting, settings: Settings) -> str | None:
    if name in OWN_ACTUATORS:
        return f"{name!r} is the name of an actuator of our own"
    if setting.resource not in MOVABLE:
        return f"there is no resource {setting.resource!r} to move; known: {', '.join(MOVABLE)}"
    same = [other for other, one in settings.actuators.items() if one.resource == setting.resource]
    if len(same) > 1:
        return f"{', '.join(same)} set {setting.resource}; only one may"
    own = RESOURCES[setting.resource].unit
    fitting = ("byte", "KiB", "MiB", "GiB") if own == "byte" else (own,)
    if setting.unit is not None and setting.unit not in fitting:
        return f"{setting.resource} is counted in {own}, not in {setting.unit}"
    return unknown_placeholder(setting.command) or (
        unknown_placeholder(setting.verify) if setting.verify else None
    )


def prices(settings: Settings) -> PriceTable:
    """The built-in price table, with the configured prices in the place of its own."""
    return FARGATE.replaced(
        Price(
            resource=resource,
            usd_per_unit_hour=price.usd_per_unit_hour,
            source=price.source,
            date=price.date,
            spread=price.spread,
        )
        for resource, price in settings.prices.items()
    )


def objectives(settings: Settings, further: Iterable[Objective]) -> Registry[Objective]:
    """The built-in objectives, those of installed packages, and those that a program brings.

    Raises:
        ConfigurationError: One of optimization_strategies is no objective.
    """
    known = assemble("objective", OBJECTIVES, group="strategies", needs="rank", further=further)
    for role, name in settings.optimization_strategies.model_dump().items():
        if name not in known:
            raise ConfigurationError(
                setting=f"optimization_strategies.{role}",
                problem=f"there is no objective {name!r}",
                fix=f"use one of: {', '.join(known.names)}",
            )
    return known


def forecast_models(settings: Settings) -> Registry[ForecastModel]:
    """The built-in models and those of installed packages.

    Raises:
        ConfigurationError: The configuration names a model that does not exist.
    """
    models = assemble("forecast model", FORECAST_MODELS, group="forecast_models", needs="forecast")
    for name in settings.forecasting.models:
        if name not in models:
            raise ConfigurationError(
                setting="forecasting.models",
                problem=f"there is no model {name!r}",
                fix=f"use some of: {', '.join(models.names)}",
            )
    return models


def allocation_strategies() -> Registry[AllocationStrategy]:
    """The built-in allocation strategies and those of installed packages."""
    return assemble(
        "allocation strategy",
        ALLOCATION_STRATEGIES,
        group="allocation_strategies",
        needs="choose",
    )


def preemption(settings: Settings) -> PreemptionPolicy:
    """Whether leases of lower priority may have to give way, and how long they have."""
    return PreemptionPolicy(settings.preemption, settings.preemption_grace_s)


def mind(settings: Settings, purse: Purse, *, hide: tuple[str, ...]) -> Mind | None:
    """The language model that thinks along; None without a key or a server of one's own.

    Args:
        settings: Key, address and model.
        purse: Where its tokens and dollars come from.
        hide: Names that no prompt may hold.

    Raises:
        ConfigurationError: OPENROUTER_BASE_URL is no URL, or plain HTTP to another machine.
    """
    key = settings.openrouter_api_key
    return mind_at(
        base_url=settings.openrouter_base_url,
        model=settings.openrouter_model,
        key=None if key is None else key.get_secret_value(),
        fallback_models=settings.openrouter_fallback_models,
        allow_insecure=settings.allow_insecure_upstream,
        rate=RateLimit(
            requests=settings.openrouter_requests_per_minute,
            tokens=settings.openrouter_tokens_per_minute,
        ),
        purse=purse,
        allowance=Allowance(tokens=settings.thinking_tokens, usd=settings.thinking_usd),
        redact=Redactor(hosts=hide, may_name_hosts=settings.prompts_may_name_hosts),
    )


def interval(settings: Settings) -> timedelta:
    """Time between samples."""
    return timedelta(seconds=settings.monitoring_interval)


def retention(settings: Settings) -> timedelta:
    """How long every sample is kept."""
    return timedelta(seconds=settings.history_retention)


def candidates(settings: Settings) -> Candidates:
    """MCP servers that may be chosen, and started, without being named in a request."""
    told = settings.candidates
    return Candidates(
        host_configs=told.host_configs,
        servers={
            name: server.model_dump(exclude_none=True, mode="json")
            for name, server in told.servers.items()
        },
        may_profile=frozenset(told.profile),
        probes=told.probes,
        allow_local=told.allow_local,
    )
