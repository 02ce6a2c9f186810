"""What commands print."""

import codecs
import io
import json
import os
import sys
from datetime import UTC, datetime
from typing import Any

from bot.errors import Refused
from bot.redaction import printable_lines
from bot.settings import WrongSettings

# The name of `_as_in_json`.
ESCAPES = "hubbub_json_escapes"


def escape_unencodable() -> None:
    """Write what the output's encoding lacks, such as an emoji on Windows, as JSON's escapes."""
    codecs.register_error(ESCAPES, _as_in_json)
    for each in (sys.stdout, sys.stderr):
        if isinstance(each, io.TextIOWrapper):
            each.reconfigure(errors=ESCAPES)


def _as_in_json(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


class OutputFailed(OSError):
    """Standard output took no more, for example because the disk is full."""


def say(line: str) -> None:
    """Print to standard output. Texts from GitHub may contain what a terminal would obey.

    Raise OutputFailed.
    """
    try:
        print(printable_lines(line), flush=True)  # noqa: T201 - what the command is for
    except OSError as exc:
        raise OutputFailed(exc.errno, exc.strerror) from exc


def show_lost_output(failed: OutputFailed) -> None:
    """Tell on standard error that the output is incomplete, and drop the rest of it."""
    warn(
        f"cannot write to standard output: {failed.strerror}. Only the output is lost: what the "
        "command did is done."
    )
    # Python writes the rest at its exit, and would fail once more.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def check_open() -> None:
    """Raise WrongSettings unless a client can talk through standard input and output."""
    for name, stream in (("input", sys.stdin), ("output", sys.stdout)):
        if stream is None:
            raise WrongSettings(
                f"Standard {name} is closed. An MCP client starts `hubbub mcp` and talks to it "
                "through standard input and output."
            )


def warn(line: str) -> None:
    print(f"hubbub: {printable_lines(line)}", file=sys.stderr)  # noqa: T201


def warn_as_json(event: str, why: str) -> None:
    """As a line of the log, for an error that stops a command before its log is set up."""
    at = datetime.now(UTC).isoformat()
    line = {"event": event, "why": why, "level": "critical", "timestamp": at}
    print(json.dumps(line), file=sys.stderr)  # noqa: T201


def pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def show_error(refused: Refused) -> None:
    print(printable_lines(pretty(refused.body())), file=sys.stderr)  # noqa: T201
