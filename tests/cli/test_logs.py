"""What the log may never hold, and the form of its lines."""

import asyncio
import json
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TextIO

import pytest
import structlog
from aiohttp import web  # noqa: TID251 - any server of aiohttp logs alike
from aiohttp.test_utils import RawTestServer

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


async def fail(_: web.BaseRequest) -> web.StreamResponse:
    raise ValueError("a bug in a handler")


@pytest.mark.parametrize(
    ("sent", "status", "logged"),
    [
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"400", False),
        (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"400", False),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"500", True),
    ],
)
async def test_a_client_that_does_not_speak_http_leaves_no_traceback(
    capsys: pytest.CaptureFixture[str], sent: bytes, status: bytes, *, logged: bool
) -> None:
    with own_logs():  # without pytest's handlers
        logs.set_up(settings.load())
        async with RawTestServer(fail) as server:
            reader, writer = await asyncio.open_connection(server.host, server.port)
            writer.write(sent)
            assert (await reader.readline()).split()[1] == status
            writer.close()
    assert ("Error handling request" in capsys.readouterr().err) is logged


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HUBBUB_DATABASE_URL", "sqlite:////nowhere/at/all.db"),
        ("HUBBUB_PORT", "many"),
        ("HUBBUB_GITHUB_APP_ID", ""),
    ],
)
async def test_serve_that_cannot_start_says_why_as_json(
    tmp_path: Path, name: str, value: str
) -> None:
    given = serve_settings(f"sqlite:///{tmp_path / 'a.db'}") | {name: value}
    code, out, err = await hubbub("serve", folder=tmp_path, **given, HUBBUB_LOG_FORMAT="json")
    [line] = [json.loads(each) for each in err.splitlines()]
    assert (code, out, line["event"], name in line["why"]) == (2, "", "cannot serve", True)


# --- A log that cannot be written ----------------------------------------------------------------


@pytest.fixture
def pipe() -> Iterator[tuple[TextIO, TextIO]]:
    """Its two ends."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as reader, os.fdopen(writing, "w") as writer:
        yield reader, writer


def log_to(stream: TextIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    logs.set_up(settings.load(log_format="console"))


def test_a_log_whose_reader_is_gone_ends_nothing(
    pipe: tuple[TextIO, TextIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = pipe
    log_to(writer, monkeypatch)
    reader.close()
    log_failure("x" * 10_000)
    structlog.get_logger().error("again")


def test_a_log_that_nobody_reads_delays_nothing_and_tells_later_what_is_lost(
    pipe: tuple[TextIO, TextIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = pipe
    log_to(writer, monkeypatch)
    log = structlog.get_logger()
    for _ in range(100):
        log.error("too much", text="x" * 2000)
    os.read(reader.fileno(), 1 << 20)
    log.error("read again")
    written = os.read(reader.fileno(), 1 << 20).decode()
    assert "lines of the log could not be written" in written
    assert "read again" in written


def test_a_log_on_a_full_disk_or_a_closed_stream_ends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Path("/dev/full").open("w") as full:
        log_to(full, monkeypatch)
        structlog.get_logger().error("no room")
    structlog.get_logger().error("closed")
