"""What the log may never hold, and the form of its lines."""

import json
import logging
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
import structlog

from bot import logs, settings
from tests.support.command_line import hubbub, own_logs
from tests.support.server_process import settings as serve_settings


@pytest.fixture(autouse=True)
def _default_logs_afterwards() -> Iterator[None]:
    with own_logs():
        yield
    structlog.reset_defaults()


def log_failure(message: str, body: bytes = b"") -> None:
    try:
        refuse(message, body)
    except ValueError:
        structlog.get_logger().exception("failed", header=message)


def refuse(message: str, body: bytes) -> None:
    raise ValueError(f"refused {len(body)} bytes: {message}")


@pytest.mark.parametrize("log_format", ["console", "json"])
@pytest.mark.parametrize(
    "secret",
    [
        "ghs_16C7e42F292c6912E7710c838347Ae178B4a",
        "ghs_4711_eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOjF9.c2ln",
        "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOjF9.c2ln",
        "hubbub_0123456789abcdef0123_abcdefgh-IJKLMNOP_qrstuv",
        "Bearer c2VjcmV0",
    ],
)
def test_no_secret_reaches_the_log_by_a_value_or_an_error(
    capsys: pytest.CaptureFixture[str], log_format: Literal["console", "json"], secret: str
) -> None:
    logs.set_up(settings.load(log_format=log_format))
    log_failure(secret)
    written = capsys.readouterr().err
    assert "failed" in written
    assert "ValueError" in written
    assert secret.removeprefix("Bearer ") not in written


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_traceback_shows_no_variables(
    capsys: pytest.CaptureFixture[str], log_format: Literal["console", "json"]
) -> None:
    logs.set_up(settings.load(log_format=log_format))
    log_failure("parsed badly", b"de" + b"livery")
    assert "b'delivery'" not in capsys.readouterr().err


# What a terminal obeys: a new title, a cleared screen, colours in one byte, text to the left.
ESCAPES = "\x1b]0;owned\x07 \x1b[2J \x9b31m \u202e"


def log_in_every_way(log_format: Literal["console", "json"]) -> int:
    """Log the escapes by our own logger and by a library's. Return how many events these are."""
    with own_logs():  # without pytest's handlers
        logs.set_up(settings.load(log_format=log_format))
        return _log_in_every_way()


def _log_in_every_way() -> int:
    ours, library = structlog.get_logger(), logging.getLogger("a.library")
    ours.warning(f"event {ESCAPES}\nsecond line", path=ESCAPES, parts=[ESCAPES])
    library.warning("of a library %s", ESCAPES)
    for each in (ours, library):
        try:
            raise ValueError(ESCAPES)  # noqa: TRY301
        except ValueError:
            each.exception("failed")
    warnings.warn("old", stacklevel=1)
    try:
        raise ValueError(ESCAPES)  # noqa: TRY301
    except ValueError as exc:
        sys.excepthook(ValueError, exc, exc.__traceback__)
    return 6


@pytest.mark.filterwarnings("default")
def test_with_json_each_line_is_an_object_also_those_of_libraries(
    capsys: pytest.CaptureFixture[str],
) -> None:
    n = log_in_every_way("json")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert len(lines) == n
    assert all({"event", "level", "timestamp"} <= line.keys() for line in lines)
    assert lines[1] | {"timestamp": ""} == {
        "event": f"of a library {ESCAPES}",
        "level": "warning",
        "logger": "a.library",
        "timestamp": "",
    }


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("log_format", ["console", "json"])
def test_what_a_terminal_obeys_never_reaches_the_log(
    capsys: pytest.CaptureFixture[str], log_format: Literal["console", "json"]
) -> None:
    log_in_every_way(log_format)
    written = capsys.readouterr().err
    assert written.count("owned") == 7
    assert [c for c in written if not c.isprintable() and c != "\n"] == []


def test_a_text_from_outside_cannot_look_like_a_line_of_the_log(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.set_up(settings.load())
    forged = "x\n2020-01-01T21:13:07.270520Z [warning  ] forged"
    log_failure(forged)
    written = capsys.readouterr().err
    assert [line for line in written.splitlines() if line.startswith("2020-01-01")] == []
    assert "forged" in written


async def test_serve_that_cannot_start_says_why_as_json(tmp_path: Path) -> None:
    given = serve_settings("sqlite:////nowhere/at/all.db") | {"HUBBUB_LOG_FORMAT": "json"}
    code, out, err = await hubbub("serve", folder=tmp_path, **given)
    [line] = [json.loads(each) for each in err.splitlines()]
    assert (code, out, line["event"], "/nowhere/at/all.db" in line["why"]) == (
        2,
        "",
        "cannot serve",
        True,
    )
