"""Standard error as the log's output. A log that cannot be written neither ends nor delays work."""

import io
import os
import select
from typing import TextIO

# A pipe that is writable takes this much without blocking, which POSIX guarantees.
CHUNK = select.PIPE_BUF
# How long a slow reader may take for the first chunk that it has no room for.
WAIT_MS = 100


class Output:
    """Drops what cannot be written: the reader is gone or does not read, or the disk is full."""

    def __init__(self, stream: TextIO | None, note: str) -> None:
        """`stream`: None if the process was started without standard error.

        `note`: a line about lines that could not be written, with `%d` for their number.
        """
        self._stream = stream
        self._note = note
        self.lost = 0
        # Only the beginning of the last line was written.
        self._torn = False

    def write(self, line: str) -> int:
        try:
            if self.lost:
                self._put(("\n" if self._torn else "") + f"{self._note % self.lost}\n")
            self._put(line)
        except (OSError, ValueError):  # ValueError: somebody closed the stream
            self.lost += 1
        else:
            self.lost = 0
        return len(line)

    def flush(self) -> None:
        """Nothing to do: `write` keeps nothing back."""

    def _put(self, text: str) -> None:
        if self._stream is None:
            return
        # Each time: the number of a closed stream may belong to another file by now.
        fd = _descriptor(self._stream)
        if fd is None:
            self._stream.write(text)
            return
        rest = memoryview(text.encode("utf-8", "backslashreplace"))
        while rest:
            self._wait(fd)
            rest = rest[os.write(fd, rest[:CHUNK]) :]
            self._torn = bool(rest)

    def _wait(self, fd: int) -> None:
        """Raise BlockingIOError if the reader does not read. Only the first line waits for it."""
        poll = select.poll()
        poll.register(fd, select.POLLOUT)
        if not poll.poll(0 if self.lost else WAIT_MS):
            raise BlockingIOError


def _descriptor(stream: TextIO) -> int | None:
    """None for a stream in memory. Raise ValueError for a closed stream."""
    try:
        return stream.fileno()
    except io.UnsupportedOperation:
        return None
