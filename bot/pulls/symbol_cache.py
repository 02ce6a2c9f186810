"""Remembers which symbols files have. Files do not change: their SHA is the key.

A long file is parsed in a thread, so that a transaction does not wait; the next look finds it.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from cachetools import LRUCache

from bot.pulls import symbols
from bot.pulls.symbols import Symbol

# Bytes of a file that is parsed at once, and files that wait for the thread.
SHORT, MOST_WAITING = 16 * 1024, 20


class SymbolCache:
    def __init__(self) -> None:
        self._found: LRUCache[tuple[str, str], list[Symbol] | None] = LRUCache(1000)
        self._waiting: set[tuple[str, str]] = set()
        # One thread: parsing takes turns with the event loop.
        self._thread = ThreadPoolExecutor(1, "symbols")

    def get(self, path: str, sha: str, content: bytes) -> list[Symbol] | None:
        """The symbols of a file. None: it has none that can be found, or not yet."""
        key = (sha, path.rpartition(".")[2])
        if key in self._found:
            return self._found[key]
        if len(content) <= SHORT or len(content) > symbols.LARGEST:
            self._found[key] = symbols.symbols_in(path, content)
            return self._found[key]
        self._parse_later(key, path, content)
        return None

    def _parse_later(self, key: tuple[str, str], path: str, content: bytes) -> None:
        if key in self._waiting or len(self._waiting) >= MOST_WAITING:
            return
        self._waiting.add(key)
        loop = asyncio.get_running_loop()
        parsing = loop.run_in_executor(self._thread, symbols.symbols_in, path, content)
        parsing.add_done_callback(lambda done: self._keep(key, done))

    def _keep(self, key: tuple[str, str], done: "asyncio.Future[list[Symbol] | None]") -> None:
        self._waiting.discard(key)
        if not done.cancelled() and done.exception() is None:
            self._found[key] = done.result()


CACHE = SymbolCache()
