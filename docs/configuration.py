"""Writes docs/configuration.md from the fields of Settings: `python -m docs.configuration`."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from optimizer.errors import ConfigurationError
from optimizer.settings import ENVIRONMENT, Settings, load_settings

PAGE = Path(__file__).with_name("configuration.md")

_HEAD = """\
# Configuration

Made from `optimizer/settings.py` by `make docs`; change a description there.

Everything has a default: without any configuration the server runs on <http://localhost:8000>. A
value is taken from the first of these that has it: an argument of the constructor,
`optimization_config`, the environment, `sro.toml`, the default. `sro.toml` is looked for in the
working folder and then in the user's configuration folder; `SRO_CONFIG=/path/to/file.toml` names
another. Every key below can stand in `sro.toml`, in lower case. A bad value stops the start, and
the message says what is allowed:

    $ PORT=80000 sro serve
    {refusal}

## Environment and sro.toml

| environment | sro.toml | default | meaning |
| --- | --- | --- | --- |
"""

_EXAMPLE = """\
## An sro.toml

```toml
port = 9000
monitoring_interval = 10            # seconds

[alert_thresholds]
storage_usage = 95                  # critical from here, in %

[alert_thresholds.memory_pressure]
warn = 5                            # % of the time that something waits for memory
critical = 20
for_s = 120

[forecasting]
default_horizon_hours = 48
models = ["linear_trend", "seasonal_patterns"]

[pools]
github_api = "5000/h"               # a capacity alone: refills each hour
"mcp:playwright" = 3                # at most three copies of that server under `sro run`

[pools.browser]
capacity = 4                        # at most four browsers at once
kind = "incompressible"

[quotas."*"]
cpu = "50 %"                        # of everybody, at most half of the cores each

[quotas."token:nightly"]
browser = 2

[probes]
primary = "http://localhost:3000/health"
```

## `optimization_config`

`SequentialResourceOptimizer(optimization_config={...})` takes `monitoring_interval`,
`history_retention`, `alert_thresholds`, `optimization_strategies` and `forecasting`, with the
same meaning and bounds. Any other key is refused.
"""


def page(refusal: str) -> str:
    """The whole page.

    Args:
        refusal: What a bad PORT really answers.
    """
    parts = [_HEAD.format(refusal=refusal)]
    parts += [_setting(name, info) for name, info in Settings.model_fields.items()]
    for name, table in _tables(Settings):
        parts.append(f"\n## `[{name}]`\n\n{inspect.cleandoc(table.__doc__ or '')}\n\n")
        parts.append("| key | default | meaning |\n| --- | --- | --- |\n")
        parts += [_key(key, info) for key, info in table.model_fields.items()]
    return "".join([*parts, "\n", _EXAMPLE])


def _tables(model: type[BaseModel], above: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """The tables of sro.toml below a model, with their headings, outer ones first."""
    for name, info in model.model_fields.items():
        inner = _model_in(info.annotation)
        if inner is not None:
            heading = f"{above}{name}{'.NAME' if get_origin(info.annotation) is dict else ''}"
            yield heading, inner
            yield from _tables(inner, f"{heading}.")


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model inside a field's type, if there is one."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)


def _setting(name: str, info: FieldInfo) -> str:
    variable = f"`{name.upper()}`" if name.upper() in ENVIRONMENT else "-"
    return f"| {variable} | `{name}` | {_default(info)} | {_meaning(info)} |\n"


def _key(name: str, info: FieldInfo) -> str:
    return f"| `{name}` | {_default(info)} | {_meaning(info)} |\n"


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "needed"
    value = info.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return "see below"
    if value in (None, "", (), {}):
        return "-"
    return f"`{', '.join(map(str, value)) if isinstance(value, tuple) else value}`"


def _meaning(info: FieldInfo) -> str:
    said = (info.description or "").replace("|", "\\|")
    return " ".join(filter(None, (said, _bounds(info), _choices(info.annotation))))


def _bounds(info: FieldInfo) -> str:
    """`From 1 to 168.`, from the field's own constraints."""
    limits = {}
    for constraint in info.metadata:
        for kind in ("ge", "gt", "le", "lt"):
            limit = getattr(constraint, kind, None)
            if limit is not None:
                limits[kind] = limit
    low = f"from {limits['ge']:.9g}" if "ge" in limits else ""
    low = f"above {limits['gt']:.9g}" if "gt" in limits else low
    high = f"to {limits['le']:.9g}" if "le" in limits else ""
    high = f"below {limits['lt']:.9g}" if "lt" in limits else high
    text = " ".join(filter(None, (low, high)))
    return f"Allowed: {text}." if text else ""


def _choices(annotation: Any) -> str:
    """`One of: debug, info, ...`, where the words are closed."""
    if get_origin(annotation) is Literal:
        return f"One of: {', '.join(f'`{word}`' for word in get_args(annotation))}."
    if get_origin(annotation) in (Union, UnionType) and annotation is not SecretStr:
        return next(filter(None, map(_choices, get_args(annotation))), "")
    return ""


def bad_port() -> str:
    """What a bad PORT answers, asked for real."""
    try:
        load_settings(environment={"PORT": "80000", "SRO_CONFIG": "/dev/null"})
    except ConfigurationError as error:
        return f"Error: {error}"
    raise AssertionError("PORT=80000 was accepted")


if __name__ == "__main__":
    PAGE.write_text(page(bad_port()), encoding="utf-8")
