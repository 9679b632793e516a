"""Logs: one JSON object a line, with the request's id, without secrets."""

import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from optimizer.settings import Settings
from server.logs import (
    JsonLines,
    configure_logging,
    redact,
    request_id,
    request_id_from,
    secrets_of,
)

KEY = "sk-or-v1-canary-5b7a91"


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    """The root logger, given back as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    levels = {name: logging.getLogger(name).level for name in ("httpx", "mcp")}
    yield root
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, kept in levels.items():
        logging.getLogger(name).setLevel(kept)
    logging.captureWarnings(capture=False)


def line_of(message: str, *args: object, secrets: tuple[str, ...] = ()) -> dict[str, object]:
    record = logging.LogRecord("name", logging.INFO, __file__, 1, message, args, None)
    text = JsonLines(secrets).format(record)
    assert "\n" not in text
    line: dict[str, object] = json.loads(text)
    return line


def test_a_line_says_when_what_and_for_which_request() -> None:
    token = request_id.set("req-1")
    line = line_of("took %d ms", 12)
    request_id.reset(token)

    assert line["message"] == "took 12 ms"
    assert line["level"] == "info"
    assert line["request_id"] == "req-1"
    assert str(line["at"]).endswith("+00:00")


@given(st.text())
def test_no_text_can_forge_a_second_line(text: str) -> None:
    assert line_of("%s", text)


@pytest.mark.parametrize(
    "text",
    [
        f"key {KEY} was refused",
        f"Authorization: Bearer {KEY}",
        f"https://x.example/?api_key={KEY}&b=1",
        f'{{"token": "{KEY}"}}',
        f"password={KEY}",
    ],
)
def test_what_looks_like_a_credential_is_masked(text: str) -> None:
    assert KEY not in redact(text)


def test_a_configured_secret_is_masked_wherever_it_stands() -> None:
    settings = Settings(api_token=SecretStr("plain"), read_only_token=SecretStr("plain-and-more"))

    masked = redact("xplainx plain-and-more", secrets_of(settings))

    assert "plain" not in masked
    assert "more" not in masked


def test_a_traceback_is_masked_too() -> None:
    try:
        raise ValueError(f"no such key {KEY}")
    except ValueError:
        record = logging.LogRecord("name", logging.ERROR, __file__, 1, "failed", (), sys.exc_info())

    text = JsonLines((KEY,)).format(record)

    assert KEY not in text
    assert "ValueError" in text


@pytest.mark.parametrize("header", [None, "", "a b", "x" * 65, "a\nb", "\u00e9"])
def test_a_request_id_that_is_none_is_made(header: str | None) -> None:
    assert request_id_from(header) != header
    assert len(request_id_from(header)) == 16


def test_the_level_is_as_configured(
    root_logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(Settings(log_level="warning", log_file=""), to_file=True)

    logging.getLogger("sequential_resource_optimization").info("quiet")
    logging.getLogger("sequential_resource_optimization").warning("loud")

    out, err = capsys.readouterr()
    assert out == ""
    assert [json.loads(line)["message"] for line in err.splitlines()] == ["loud"]


def test_serve_also_writes_a_file(root_logger: logging.Logger, tmp_path: Path) -> None:
    path = tmp_path / "logs" / "sro.log"
    configure_logging(Settings(log_file=str(path)), to_file=True)

    logging.getLogger("sequential_resource_optimization").warning("kept")

    assert json.loads(path.read_text())["message"] == "kept"


def test_stdio_writes_no_file(root_logger: logging.Logger, tmp_path: Path) -> None:
    configure_logging(Settings(log_file=str(tmp_path / "sro.log")), to_file=False)

    logging.getLogger("sequential_resource_optimization").warning("kept")

    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_a_warning(
    root_logger: logging.Logger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("not a folder")
    configure_logging(Settings(log_file=str(tmp_path / "file" / "sro.log")), to_file=True)

    assert "cannot be written" in capsys.readouterr().err
