"""The person at the terminal of `hubbub setup`, and the browser of this machine."""

import asyncio
import os
import sys
import threading
import webbrowser
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.cli.output import say


@dataclass(frozen=True)
class Terminal:
    """`ask` gives a line that the person typed. `open_page`: False if there is no browser."""

    say: Callable[[str], None]
    ask: Callable[[str], Awaitable[str]]
    open_page: Callable[[str], bool]
    # Whether a person is there to answer.
    is_attended: bool


def of_process(*, browser: bool) -> Terminal:
    """The terminal of this process."""
    return Terminal(
        say,
        _Lines().ask,
        open_browser if browser else lambda _: False,
        bool(sys.stdin and sys.stdin.isatty()),
    )


def open_browser(address: str) -> bool:
    """False on a machine without a screen: a text browser would take the terminal."""
    has_screen = sys.platform in ("darwin", "win32") or any(
        os.environ.get(each) for each in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    )
    return has_screen and webbrowser.open(address)


class _Lines:
    """Reads lines in a thread, because a browser may answer before the person types."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._thread: threading.Thread | None = None

    async def ask(self, question: str) -> str:
        say(question)
        if self._thread is None:
            loop = asyncio.get_running_loop()
            # A daemon: at the end it may still wait for a line that nobody types.
            self._thread = threading.Thread(target=self._read, args=(loop,), daemon=True)
            self._thread.start()
        return (await self._queue.get()).strip()

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        # Without Python's own reader, whose lock would be held when the command ends.
        rest = b""
        while chunk := os.read(0, 4096):
            *lines, rest = (rest + chunk).split(b"\n")
            for each in lines:
                loop.call_soon_threadsafe(self._queue.put_nowait, each.decode(errors="replace"))
