"""Stops calls to a server that does not answer, and tries one from time to time.

In memory, by process: a server may be out of reach of one process alone.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from cachetools import LRUCache

from bot.tool_servers.connections import (
    Json,
    Progress,
    ServerSpec,
    ToolResult,
    ToolServers,
    ToolSpec,
    Unavailable,
)

# So many failures within so many seconds open the circuit.
MOST_FAILURES = 5
WINDOW_S = 60.0
# For how long it is open at first, and at most: it doubles as long as attempts fail.
FIRST_S, LONGEST_S = 30.0, 300.0
# Failures of the server; the others say something about a call or a credential.
COUNTED = frozenset({"unreachable", "timeout", "protocol"})
KEPT = 10_000

ServerKey: TypeAlias = tuple[int, str]


class CircuitOpen(Unavailable):
    """Nothing was sent, because the calls before failed."""


@dataclass
class _Circuit:
    failures: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_FAILURES))
    open_until: float | None = None
    open_s: float = FIRST_S
    is_probing: bool = False


@dataclass
class Breakers:
    """`timer`: seconds that only grow."""

    timer: Callable[[], float] = time.monotonic
    _circuits: LRUCache[ServerKey, _Circuit] = field(default_factory=lambda: LRUCache(KEPT))

    def enter(self, server: ServerKey) -> float | None:
        """Begin a call. Return after how many seconds to try again, if it must not begin."""
        circuit = self._circuits.get(server)
        if circuit is None or circuit.open_until is None:
            return None
        now = self.timer()
        if circuit.is_probing or now < circuit.open_until:
            return max(1.0, circuit.open_until - now)
        circuit.is_probing = True
        return None

    def close(self, server: ServerKey) -> None:
        self._circuits.pop(server, None)

    def count_failure(self, server: ServerKey, kind: str) -> None:
        circuit = self._circuits.setdefault(server, _Circuit())
        now, was_probe = self.timer(), circuit.is_probing
        circuit.is_probing = False
        if kind not in COUNTED:
            # The server answered.
            self.close(server)
            return
        circuit.failures.append(now)
        if was_probe:
            circuit.open_s = min(2 * circuit.open_s, LONGEST_S)
            circuit.open_until = now + circuit.open_s
        elif circuit.open_until is None and self._is_full(circuit, now):
            circuit.open_until = now + circuit.open_s

    def end_probe(self, server: ServerKey) -> None:
        """The call ended without an outcome, because its caller left."""
        if circuit := self._circuits.get(server):
            circuit.is_probing = False

    def _is_full(self, circuit: _Circuit, now: float) -> bool:
        return len(circuit.failures) == MOST_FAILURES and now - circuit.failures[0] <= WINDOW_S


@dataclass(frozen=True)
class Guarded:
    """Tool servers behind circuit breakers."""

    inner: ToolServers
    breakers: Breakers = field(default_factory=Breakers)

    async def list_tools(self, spec: ServerSpec) -> list[ToolSpec]:
        """Looking at a server is how people try whether it is there again."""
        found = await self.inner.list_tools(spec)
        self.breakers.close(_key(spec))
        return found

    async def call_tool(
        self,
        spec: ServerSpec,
        tool: str,
        arguments: Json,
        timeout_s: float,
        max_bytes: int,
        progress: Progress | None = None,
    ) -> ToolResult:
        server = _key(spec)
        wait_s = self.breakers.enter(server)
        if wait_s is not None:
            text = "its last calls failed, so Hubbub does not call it for a while"
            raise CircuitOpen("unreachable", text, retry_after_s=wait_s, sent=False)
        try:
            result = await self.inner.call_tool(
                spec, tool, arguments, timeout_s, max_bytes, progress
            )
        except Unavailable as exc:
            self.breakers.count_failure(server, exc.kind)
            raise
        except BaseException:
            self.breakers.end_probe(server)
            raise
        self.breakers.close(server)
        return result

    async def drop(self, installation_id: int, server_id: str) -> None:
        self.breakers.close((installation_id, server_id))
        await self.inner.drop(installation_id, server_id)


def _key(spec: ServerSpec) -> ServerKey:
    return spec.installation_id, spec.server_id
