"""What a process of `hubbub serve --processes` gets from its parent: ports and a connection."""

import asyncio
import os
import select
import shutil
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog

# Has the number of the process and the file descriptors. It is not a setting, so it does not begin
# with HUBBUB_.
VARIABLE = "_HUBBUB_INHERITED"
LISTENS = b"1"
# The folder in which the metrics library adds up the counters of all processes.
METRICS = "PROMETHEUS_MULTIPROC_DIR"


@dataclass(frozen=True)
class Inheritance:
    """`parent`: a connection that ends with the parent, whatever kills it."""

    number: int
    parent: socket.socket
    ports: Sequence[socket.socket]

    def end_with_parent(self, must_stop: asyncio.Event) -> None:
        """Set `must_stop` when the parent is gone.

        It never writes, so the connection is readable only then.
        """
        loop = asyncio.get_running_loop()

        def end() -> None:
            loop.remove_reader(self.parent)  # it stays readable
            must_stop.set()

        loop.add_reader(self.parent, end)

    def remove_metrics(self) -> None:
        """The parent removes their folder at its end, unless it was killed before."""
        folder = os.environ.get(METRICS)
        if folder and select.select([self.parent], [], [], 0)[0]:
            shutil.rmtree(folder, ignore_errors=True)

    def report_listening(self) -> None:
        with suppress(OSError):  # the parent is gone
            self.parent.send(LISTENS)


def variable(number: int, parent: int, ports: Sequence[int]) -> dict[str, str]:
    """The environment variable that hands these file descriptors to a child."""
    return {VARIABLE: " ".join(str(each) for each in (number, parent, *ports))}


def inheritance() -> Inheritance | None:
    """None in a process that no parent started. Its log lines have the number of the process."""
    given = os.environ.pop(VARIABLE, None)
    if given is None:
        return None
    number, parent, *ports = (int(each) for each in given.split())
    structlog.contextvars.bind_contextvars(process=number)
    inherited = [socket.socket(fileno=each) for each in ports]
    return Inheritance(number, socket.socket(fileno=parent), inherited)
