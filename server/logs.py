"""Logs of the doors: one JSON object a line on stderr, with the request's id, without secrets.

The library itself only logs to `sequential_resource_optimization` and touches no handler; the
functions here are called by a process that is ours, `serve` or `stdio`.
"""

import json
import logging
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from secrets import token_hex

from optimizer.settings import Settings

logger = logging.getLogger("sequential_resource_optimization.server")

NO_REQUEST = "-"
"""The request id of what happens outside any request."""

request_id: ContextVar[str] = ContextVar("request_id", default=NO_REQUEST)
"""Identifier of the request being answered; it is in every line that the request logs."""

REQUEST_ID_HEADER = "x-request-id"

MASK = "***"

LOG_FILE_BYTES = 10 * 2**20
"""Size at which the log file begins anew; one older file is kept."""

_ALLOWED_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")

_LOOKS_SECRET = re.compile(
    r"""(?ix)
    (?P<name> \b bearer \s+
      | (?:api[_-]?key|token|secret|password|authorization) ["']? \s* [=:] \s* ["']? )
    (?P<value> [^\s"'&,;}]{4,} )
    | \b sk-[A-Za-z0-9_-]{8,}
    """
)


def request_id_from(header: str | None) -> str:
    """The caller's request id where it is one, else a new one."""
    if header is not None and _ALLOWED_REQUEST_ID.match(header):
        return header
    return token_hex(8)


@contextmanager
def request_named() -> Iterator[None]:
    """Give what happens inside an id of its own, unless HTTP gave it one already."""
    token = request_id.set(token_hex(8)) if request_id.get() == NO_REQUEST else None
    try:
        yield
    finally:
        if token is not None:
            request_id.reset(token)


def secrets_of(settings: Settings) -> tuple[str, ...]:
    """Every configured secret, longest first so that none survives inside another."""
    values = (settings.api_token, settings.read_only_token, settings.openrouter_api_key)
    told = {value.get_secret_value() for value in values if value is not None}
    return tuple(sorted(filter(None, told), key=len, reverse=True))


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Mask the given secrets and whatever looks like a credential."""
    for secret in secrets:
        text = text.replace(secret, MASK)
    return _LOOKS_SECRET.sub(lambda found: (found["name"] or "") + MASK, text)


class JsonLines(logging.Formatter):
    """One JSON object a line; JSON escapes every newline, so no value can forge a line."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self.secrets = tuple(secrets)

    def format(self, record: logging.LogRecord) -> str:
        """The record as one redacted line."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "request_id": request_id.get(),
            "message": redact(record.getMessage(), self.secrets),
            **{name: self._safe(fact) for name, fact in getattr(record, "facts", {}).items()},
        }
        if record.exc_info:
            line["traceback"] = redact(self.formatException(record.exc_info), self.secrets)
        return json.dumps(line, default=str)

    def _safe(self, fact: object) -> object:
        return redact(fact, self.secrets) if isinstance(fact, str) else fact


def configure_logging(settings: Settings, *, to_file: bool) -> None:
    """Send every log of this process to stderr, and to LOG_FILE where that is wanted.

    Args:
        settings: Level, file and the secrets to mask.
        to_file: Whether LOG_FILE counts; only `serve` writes it. A path that cannot be written is
            a warning, not an error.
    """
    formatter = JsonLines(secrets_of(settings))
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
    to_stderr = logging.StreamHandler(sys.stderr)
    to_stderr.setFormatter(formatter)
    root.addHandler(to_stderr)
    logging.captureWarnings(capture=True)
    for client in ("httpx", "httpx2"):
        logging.getLogger(client).setLevel(logging.WARNING)
    change_logging(settings)
    if to_file and settings.log_file:
        _add_file(root, Path(settings.log_file), formatter)


def change_logging(settings: Settings) -> None:
    """Log from LOG_LEVEL on, and mask the secrets that are configured now."""
    root = logging.getLogger()
    for handler in root.handlers:
        if isinstance(handler.formatter, JsonLines):
            handler.formatter.secrets = secrets_of(settings)
    root.setLevel(settings.log_level.upper())
    logging.getLogger("mcp").setLevel(max(root.level, logging.WARNING))


def _add_file(root: logging.Logger, path: Path, formatter: logging.Formatter) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        to_file = RotatingFileHandler(
            path, maxBytes=LOG_FILE_BYTES, backupCount=1, encoding="utf-8"
        )
    except OSError as error:
        logger.warning(
            "LOG_FILE %s cannot be written (%s); logs go to stderr only", path, error.strerror
        )
        return
    to_file.setFormatter(formatter)
    root.addHandler(to_file)
