"""Settings: the environment and sro.toml, read once, frozen.

Precedence: argument > optimization_config > environment > sro.toml > default. docs/configuration.md
is made from the fields below, so a field says its unit, its bounds and what it changes.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    FiniteFloat,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from optimizer.errors import ConfigurationError, InvalidRequestError
from optimizer.monitoring.sample import Threshold
from optimizer.places import config_folder, data_folder
from optimizer.quantities import RESOURCES, parse_amount
from optimizer.settings_problems import Origins, explain
from optimizer.settings_tables import (
    ActuatorSetting,
    Candidates,
    Forecasting,
    Levels,
    PoolSetting,
    PriceSetting,
    Strategies,
    Table,
)

LogLevel = Literal["debug", "info", "warning", "error", "critical"]
Toolset = Literal["operator", "analysis", "thinking"]


class Settings(Table):
    """Everything that can be set, with its default."""

    host: str = Field(
        "127.0.0.1", description="Address to serve on. Any other than loopback needs API_TOKEN."
    )
    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        8000, description="TCP port of REST and MCP; 0 takes a free one."
    )
    api_token: SecretStr | None = Field(
        None,
        description="Bearer token that every route but /health asks for, on loopback too.",
    )
    read_only_token: SecretStr | None = Field(
        None, description="Bearer token that may read and never write."
    )
    tokens_file: Path | None = Field(
        None,
        description="File of further tokens, which `sro token add` writes; by default tokens.json "
        "in the data directory.",
    )
    rate_limit: Annotated[FiniteFloat, Field(ge=0, le=1e6)] = Field(
        0.0,
        description="Requests a second that one principal may make, after a burst of two seconds; "
        "0 for no limit.",
    )
    tls_certfile: Path | None = Field(
        None, description="Certificate chain in PEM: serves HTTPS, together with TLS_KEYFILE."
    )
    tls_keyfile: Path | None = Field(
        None, description="Its private key in PEM, not encrypted; together with TLS_CERTFILE."
    )
    allowed_hosts: tuple[str, ...] = Field(
        (), description="Host headers to accept beside loopback names, comma-separated."
    )
    origins: tuple[str, ...] = Field(
        (), description="Web origins that browsers may call from, comma-separated."
    )
    log_level: LogLevel = Field("info", description="Least level that is logged.")
    log_file: str = Field(
        "logs/sequential_resource_optimization.log",
        description="Where `serve` also writes its log; empty for nowhere.",
    )
    data_dir: Path | None = Field(
        None, description="Folder of the database; by default the platform's place for user data."
    )
    database_url: str | None = Field(
        None,
        description="Another store: sqlite:////PATH or postgresql+asyncpg://USER@HOST/NAME.",
    )
    openrouter_api_key: SecretStr | None = Field(
        None, description="Key of the language model's service; without one nothing is sent."
    )
    openrouter_base_url: str = Field(
        "https://openrouter.ai/api/v1", description="Any service with OpenAI's API."
    )
    openrouter_model: str = Field("anthropic/claude-sonnet-4", description="Model to think with.")
    openrouter_fallback_models: tuple[str, ...] = Field(
        (), description="Models to ask when an attempt failed, comma-separated."
    )
    openrouter_requests_per_minute: Annotated[int, Field(ge=1, le=10**6)] | None = Field(
        None, description="Most requests to the model in any minute; unset for no limit."
    )
    openrouter_tokens_per_minute: Annotated[int, Field(ge=1, le=10**9)] | None = Field(
        None, description="Most tokens of the model in any minute; unset for no limit."
    )
    allow_insecure_upstream: bool = Field(
        False, description="Whether prompts may leave this machine over plain HTTP."
    )
    prompts_may_name_hosts: bool = Field(
        False,
        description="Whether prompts may hold host names and addresses; keys are always taken out.",
    )
    thinking_deadline_s: Annotated[FiniteFloat, Field(ge=0.1, le=45)] = Field(
        10.0, description="Most seconds that a decision is thought over; the model gets 70 %."
    )
    thinking_tokens: Annotated[int, Field(ge=100, le=10**6)] = Field(
        2000, description="Most tokens of the model for one decision, prompts and answers together."
    )
    thinking_usd: Annotated[FiniteFloat, Field(ge=0, le=100)] = Field(
        0.02, description="Most US dollars for one decision, reserved before each request."
    )
    sequential_thinking_mcp_endpoint: str = Field(
        "",
        description="Sequential-thinking server: empty for the embedded one, `stdio:COMMAND ...`, "
        "or a URL (without a path, /mcp is appended).",
    )
    storage_limit: Annotated[int, Field(ge=10**7)] = Field(
        10**9,
        description="Most bytes of the database, its copies and the log together, or an amount "
        'such as "2 GB"; near it the oldest data is dropped, see docs/retention.md.',
    )
    monitoring_interval: Annotated[FiniteFloat, Field(ge=0.1, le=3600)] = Field(
        30.0, description="Seconds between samples."
    )
    history_retention: Annotated[int, Field(ge=3600, le=366 * 86400)] = Field(
        86400,
        description="Seconds for which every sample is kept; roll-ups are kept longer.",
    )
    cpu_alert_threshold: Annotated[FiniteFloat, Field(gt=0, le=100)] = Field(
        85.0, description="CPU in %, critical from here."
    )
    memory_alert_threshold: Annotated[FiniteFloat, Field(gt=0, le=100)] = Field(
        90.0, description="Memory in %, critical from here."
    )
    error_rate_threshold: Annotated[FiniteFloat, Field(gt=0, le=1)] = Field(
        0.05, description="Share of failed requests, 0 to 1, critical from here."
    )
    alert_thresholds: dict[str, float | Threshold] = Field(
        default_factory=dict,
        description="Thresholds of any stored metric; a bare number is its critical level.",
    )
    optimization_strategies: Strategies = Field(Strategies(), description="See the table below.")
    forecasting: Forecasting = Field(Forecasting(), description="See the table below.")
    pools: dict[str, PoolSetting] = Field(
        default_factory=dict,
        description="Pools by name, each a table or its capacity alone; only in sro.toml.",
    )
    prices: dict[str, PriceSetting] = Field(
        default_factory=dict, description="Prices by resource, over the built-in table."
    )
    prometheus_url: str | None = Field(
        None,
        description="Prometheus server whose node_exporters are the other hosts of the store, for "
        "example `http://127.0.0.1:9090`; each is a host named by its label `instance`.",
    )
    probes: dict[str, str] = Field(
        default_factory=dict,
        description="Services to probe, name to URL; the first two are primary and secondary. "
        '`http://…` is asked by GET, `mcp+http://…` by an MCP handshake; `preset = "alita"` '
        "stands for the services of an Alita-KGoT installation.",
    )
    quotas: dict[str, dict[str, float | str]] = Field(
        default_factory=dict,
        description="Most that leases of one principal may hold of a pool: by principal "
        "(`uid:1000`, `token:ci`, or `*` for everybody else), then by pool; amounts as in a "
        "request.",
    )
    auto_reallocate: Literal["off", "propose", "apply"] = Field(
        "propose",
        description="What happens to leases that got less than they asked for, after each sample "
        "and change: nothing, a proposal (POST /reallocate shows it), or the change itself.",
    )
    preemption: Literal["never", "on_request", "always"] = Field(
        "on_request",
        description="Whether leases of strictly lower priority have to give way when there is no "
        "room: never, where a request says allow_preemption, or for every request that waits.",
    )
    preemption_grace_s: Annotated[FiniteFloat, Field(ge=0, le=45)] = Field(
        15.0, description="Seconds between the notice to the holder and the end of its lease."
    )
    weights: dict[str, Annotated[FiniteFloat, Field(gt=0, le=1000)]] = Field(
        default_factory=dict,
        description="Share of a principal when several wait for more than there is; else 1.",
    )
    candidates: Candidates = Field(Candidates(), description="See the table below.")
    actuators: dict[str, ActuatorSetting] = Field(
        default_factory=dict, description="Commands of the operator, by name; only in sro.toml."
    )
    levels: Levels = Field(Levels(), description="See the table below.")
    toolsets: tuple[Toolset, ...] = Field(
        (),
        description="Further MCP tools to show: operator, analysis, thinking. The default list "
        "stays as it is; REST and the shell have all of them always.",
    )

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator(
        "allowed_hosts", "origins", "toolsets", "openrouter_fallback_models", mode="before"
    )
    @classmethod
    def _split(cls, value: object) -> object:
        """The environment writes lists with commas."""
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator(
        "api_token",
        "read_only_token",
        "openrouter_api_key",
        "tokens_file",
        "tls_certfile",
        "tls_keyfile",
        "data_dir",
        "database_url",
        mode="before",
    )
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("storage_limit", mode="before")
    @classmethod
    def _bytes(cls, value: object) -> object:
        """The environment and sro.toml may write an amount with its unit."""
        if not isinstance(value, str) or value.strip().isdecimal():
            return value
        try:
            amount = parse_amount(value, resource=RESOURCES["storage"], capacity=None)
        except InvalidRequestError as error:
            raise ValueError(str(error)) from None
        return int(amount.guaranteed)

    @model_validator(mode="after")
    def _tokens_differ(self) -> Self:
        if self.read_only_token is not None and self.read_only_token == self.api_token:
            raise ValueError("READ_ONLY_TOKEN equals API_TOKEN; give it a value of its own")
        return self

    @model_validator(mode="after")
    def _certificate_has_its_key(self) -> Self:
        if (self.tls_certfile is None) != (self.tls_keyfile is None):
            there = "TLS_KEYFILE" if self.tls_certfile is None else "TLS_CERTFILE"
            lacking = "TLS_CERTFILE" if self.tls_certfile is None else "TLS_KEYFILE"
            raise ValueError(f"{there} is set and {lacking} is not; set both, or none")
        return self

    @property
    def store_url(self) -> str:
        """Where the store is: DATABASE_URL, else a SQLite file in the data directory."""
        if self.database_url is not None:
            return self.database_url
        return f"sqlite:///{self.data_path / 'sro.db'}"

    @property
    def tokens_path(self) -> Path:
        """Where the token file is, or would be."""
        return self.tokens_file or self.data_path / "tokens.json"

    @property
    def data_path(self) -> Path:
        """The folder of the database and the token file."""
        return self.data_dir or Path(data_folder(os.environ))

    @property
    def scheme(self) -> str:
        """`https` with a certificate, else `http`."""
        return "http" if self.tls_certfile is None else "https"


_ONLY_IN_FILES = {
    "pools",
    "prices",
    "probes",
    "alert_thresholds",
    "quotas",
    "weights",
    "candidates",
    "actuators",
    "levels",
}
_NESTED = {"optimization_strategies", "forecasting"}

ENVIRONMENT: dict[str, str] = {
    name.upper(): name
    for name in Settings.model_fields
    if name not in _ONLY_IN_FILES and name not in _NESTED
}
"""Environment variable to field."""

CONFIG_FILE_VARIABLE = "SRO_CONFIG"

SECRETS = frozenset({"api_token", "read_only_token", "openrouter_api_key"})
"""Fields whose values are never shown."""

OPTIMIZATION_CONFIG_KEYS = (
    "monitoring_interval",
    "history_retention",
    "alert_thresholds",
    "optimization_strategies",
    "forecasting",
)
"""What `optimization_config` may hold, as in the reference document."""


@dataclass(frozen=True)
class Loaded:
    """Settings, and where each is from.

    Attributes:
        settings: Every value.
        origins: Field to `sro.toml`, `environment`, `optimization_config` or `argument`; what is
            not there has its default.
        file: The sro.toml that was read; None when there is none.
    """

    settings: Settings
    origins: Origins
    file: Path | None


def load_settings(
    *,
    arguments: Mapping[str, Any] | None = None,
    optimization_config: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    config_file: Path | None = None,
) -> Settings:
    """Read every source, the strongest last; see `examine_settings`.

    Raises:
        ConfigurationError: A value is not allowed; the message names the first variable or key.
    """
    examined = examine_settings(
        arguments=arguments,
        optimization_config=optimization_config,
        environment=environment,
        config_file=config_file,
    )
    if isinstance(examined, Loaded):
        return examined.settings
    raise examined[0]


def examine_settings(
    *,
    arguments: Mapping[str, Any] | None = None,
    optimization_config: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    config_file: Path | None = None,
) -> Loaded | tuple[ConfigurationError, ...]:
    """Read every source, the strongest last.

    Args:
        arguments: Fields that the caller sets; None values count as not set.
        optimization_config: The reference document's dictionary; unknown keys are refused.
        environment: Variables; `os.environ` when None.
        config_file: A TOML file that must exist; when None, `SRO_CONFIG`, `./sro.toml` and the
            platform's configuration folder are tried in this order.

    Returns:
        The settings, or everything that is wrong with them.
    """
    variables = os.environ if environment is None else environment
    origins: dict[str, str] = {}
    values: dict[str, Any] = {}
    file = _find_file(config_file, variables)
    try:
        sources = (
            ("sro.toml", {} if file is None else _from_file(file)),
            ("environment", _from_environment(variables)),
            ("optimization_config", _from_optimization_config(optimization_config or {})),
            ("argument", {k: v for k, v in (arguments or {}).items() if v is not None}),
        )
    except ConfigurationError as error:
        return (error,)
    for source, found in sources:
        for name, value in found.items():
            both_tables = isinstance(value, Mapping) and isinstance(values.get(name), Mapping)
            values[name] = {**values[name], **value} if both_tables else value
            origins[name] = source
    try:
        return Loaded(Settings.model_validate(values), origins, file)
    except ValidationError as error:
        return explain(error, origins, Settings, secrets=SECRETS)


def file_to_edit(environment: Mapping[str, str] | None = None) -> Path:
    """The sro.toml that is read, or where there would be one."""
    variables = os.environ if environment is None else environment
    return _find_file(None, variables) or Path(config_folder(variables), "sro.toml")


def _find_file(path: Path | None, variables: Mapping[str, str]) -> Path | None:
    if path is not None:
        return path
    if variables.get(CONFIG_FILE_VARIABLE):
        return Path(variables[CONFIG_FILE_VARIABLE])
    candidates = (Path("sro.toml"), Path(config_folder(variables), "sro.toml"))
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _from_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(
            setting=str(path), problem=f"cannot be read ({error})", fix="correct or remove it"
        ) from error


def _from_environment(variables: Mapping[str, str]) -> dict[str, Any]:
    return {
        field: variables[variable]
        for variable, field in ENVIRONMENT.items()
        if variables.get(variable, "") != "" or (field == "log_file" and variable in variables)
    }


def _from_optimization_config(config: Mapping[str, Any]) -> dict[str, Any]:
    for key in config:
        if key not in OPTIMIZATION_CONFIG_KEYS:
            raise ConfigurationError(
                setting=f"optimization_config[{key!r}]",
                problem="there is no such key",
                fix=f"use one of: {', '.join(OPTIMIZATION_CONFIG_KEYS)}",
            )
    return dict(config)
