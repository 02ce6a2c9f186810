"""How often operations are called, with what outcome, and how long they take."""

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Histogram

from bot.errors import Refused


class CallMetrics:
    """Calls on all surfaces. `names`: the operations; each is a label.

    The registry is our own, because the library's is global.
    """

    def __init__(self, names: Collection[str]) -> None:
        self._names = names
        self.registry = CollectorRegistry()
        self._seconds = Histogram(
            "hubbub_operation_seconds",
            "How long calls of an operation took, by outcome: ok, or the code of the error.",
            ["operation", "code"],
            registry=self.registry,
        )

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        code = "internal"
        try:
            yield
            code = "ok"
        except Refused as exc:
            code = exc.code
            raise
        finally:
            # Callers can send any name, and each label costs memory.
            known = name if name in self._names else "unknown"
            self._seconds.labels(known, code).observe(time.perf_counter() - began)
