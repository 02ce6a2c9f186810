"""Keeps answers to safe calls: for a while, and longer if the service can say that they still hold.

In memory, by process, bounded in bytes over all services.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass

from cachetools import LRUCache

from bot.tool_servers.openapi.answer_reading import Answer

LARGEST_KEPT = 512 * 1024
MOST_BYTES = 32 * 1024 * 1024
# What an entry takes beside its body.
OVERHEAD = 2000


@dataclass(frozen=True)
class Kept:
    """`fresh_until`: until then nobody asks the service."""

    answer: Answer
    etag: str
    fresh_until: float


def _size(kept: Kept) -> int:
    return len(kept.answer.body) + OVERHEAD


class AnswerCache:
    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._kept: LRUCache[Hashable, Kept] = LRUCache(MOST_BYTES, _size)

    def get(self, key: Hashable) -> Kept | None:
        return self._kept.get(key)

    def is_fresh(self, kept: Kept) -> bool:
        return self._now() < kept.fresh_until

    def put(self, key: Hashable, answer: Answer, cache_s: float) -> None:
        """Keep it, if it is small, the service allows it, and it can be of use."""
        etag = answer.headers.get("ETag", "")[:500]
        control = answer.headers.get("Cache-Control", "").lower()
        if answer.status != 200 or "no-store" in control or not (etag or cache_s):
            return
        if len(answer.body) <= LARGEST_KEPT:
            self._kept[key] = Kept(answer, etag, self._now() + cache_s)

    def renew(self, key: Hashable, kept: Kept, cache_s: float) -> None:
        """The service said that it has not changed."""
        self._kept[key] = Kept(kept.answer, kept.etag, self._now() + cache_s)

    def forget(self, is_meant: Callable[[Hashable], bool]) -> None:
        for key in [each for each in self._kept if is_meant(each)]:
            del self._kept[key]
