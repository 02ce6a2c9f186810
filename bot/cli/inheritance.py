"""What a process of `hubbub serve --processes` gets from its parent: the port, and a line to it."""

import asyncio
import os
import select
import shutil
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog

# The number of the process, and the file descriptors. It has no prefix HUBBUB_: it is no setting.
VARIABLE = "_HUBBUB_INHERITED"
LISTENS = b"1"
# The folder in which the metrics library adds up the counters of all processes.
METRICS = "PROMETHEUS_MULTIPROC_DIR"


@dataclass(frozen=True)
class Inheritance:
    """`line` is open as long as the parent lives, whatever kills it."""

    number: int
    line: socket.socket
    ports: Sequence[socket.socket]

    def end_with_parent(self, told: asyncio.Event) -> None:
        """Set `told` when the parent is gone. It never writes, so the line is readable then."""
        loop = asyncio.get_running_loop()

        def end() -> None:
            loop.remove_reader(self.line)  # it stays readable
            told.set()

        loop.add_reader(self.line, end)

    def remove_metrics(self) -> None:
        """The parent removes their folder at its end, unless it was killed before."""
        if select.select([self.line], [], [], 0)[0]:
            shutil.rmtree(os.environ[METRICS], ignore_errors=True)

    def report_listening(self) -> None:
        with suppress(OSError):  # the parent is gone
            self.line.send(LISTENS)


def variable(number: int, line: int, ports: Sequence[int]) -> dict[str, str]:
    """The environment variable that hands these file descriptors to a child."""
    return {VARIABLE: " ".join(str(each) for each in (number, line, *ports))}


def inheritance() -> Inheritance | None:
    """None in a process that no parent started. Its log lines have the number of the process."""
    given = os.environ.pop(VARIABLE, None)
    if given is None:
        return None
    number, line, *ports = (int(each) for each in given.split())
    structlog.contextvars.bind_contextvars(process=number)
    return Inheritance(number, socket.socket(fileno=line), [socket.socket(fileno=n) for n in ports])
