"""What the log may never hold."""

from collections.abc import Iterator
from typing import Literal

import pytest
import structlog

from bot import logs, settings


@pytest.fixture(autouse=True)
def _default_logs_afterwards() -> Iterator[None]:
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
