"""Calls a tool: again after a failure where that is harmless, and at another server if need be."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.kernel.outside import Outside
from bot.mounts import tool_results
from bot.mounts.tool_results import Shown, wire_bytes
from bot.tool_servers.breakers import CircuitOpen
from bot.tool_servers.connections import (
    ServerSpec,
    ToolResult,
    ToolServers,
    Unavailable,
)
from bot.tools import tool_arguments

# The first of further attempts comes at once; the pause before the next ones doubles.
PAUSE_S = 0.25
# What a later attempt may get over.
TRANSIENT = frozenset({"unreachable", "timeout", "protocol"})
# A connection that was closed meanwhile: nothing was sent, so one more attempt harms nobody.
WITHOUT_EFFECT = 1
# What an attempt may take longer than its time-out says.
SLACK_S = 2.0


@dataclass(frozen=True)
class Target:
    """A tool at a server. `is_safe`: calling it twice is as good as once."""

    mount_id: str
    server: str
    tool: str
    spec: ServerSpec
    is_safe: bool
    # What the tool promises about its result. None: nothing.
    output_schema: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Attempts:
    """`targets`: the tool's own server first. `retries`: where the attempt before may count."""

    targets: Sequence[Target]
    arguments: dict[str, Any]
    timeout_s: float
    max_bytes: int
    retries: int = 0

    @property
    def whole_s(self) -> float:
        """For all attempts together, so that no caller waits for ever."""
        return self.timeout_s * (2 if self.retries or len(self.targets) > 1 else 1) + SLACK_S


@dataclass
class Outcome:
    """What came of it. Without a result there is the last failure, and where it happened."""

    target: Target
    result: ToolResult | None = None
    # Of the result.
    shown: Shown | None = None
    failure: Unavailable | None = None
    # By mount, what happened at each server, for its health: None is an answer.
    seen: dict[str, Unavailable | None] = field(default_factory=dict)
    attempts: int = 0
    seconds: float = 0
    # Whether anything may have reached a server, so that the call may have had an effect.
    may_have_happened: bool = False


async def run(attempts: Attempts, outside: Outside) -> Outcome:
    began = time.monotonic()
    made = Outcome(attempts.targets[0])
    servers: ToolServers | None = outside.tool_servers
    if servers is None:
        text = "this process calls no tool servers. Send the call to a running `hubbub serve`"
        made.failure = Unavailable("refused", text)
        return made
    for target in attempts.targets:
        made.target = target
        await _try(servers, attempts, target, made, began + attempts.whole_s)
        if made.result is not None or (made.may_have_happened and not target.is_safe):
            break
    made.seconds = time.monotonic() - began
    return made


async def _try(
    servers: ToolServers, attempts: Attempts, target: Target, made: Outcome, until: float
) -> None:
    free, paid = WITHOUT_EFFECT, attempts.retries
    pause_s = 0.0
    while True:
        await asyncio.sleep(pause_s)
        made.attempts += 1
        try:
            left_s = min(attempts.timeout_s, until - time.monotonic())
            made.result = await _call(servers, attempts, target, max(left_s, 0.1))
        except Unavailable as exc:
            made.failure = exc
        if made.result is not None:
            made.failure, made.seen[target.mount_id] = None, None
            await asyncio.to_thread(_look_at_result, target, made, attempts.max_bytes)
            return
        failure = made.failure
        assert failure is not None
        if not isinstance(failure, CircuitOpen):
            made.seen[target.mount_id] = failure
        made.may_have_happened = made.may_have_happened or failure.sent
        if isinstance(failure, CircuitOpen) or failure.kind not in TRANSIENT:
            return
        free, paid = (free, paid - 1) if failure.sent else (free - 1, paid)
        if free < 0 or paid < 0 or (failure.sent and not target.is_safe):
            return
        pause_s = 2 * pause_s or (PAUSE_S if made.attempts > 1 else 0.0)
        if time.monotonic() + pause_s >= until:
            return


def _look_at_result(target: Target, made: Outcome, max_bytes: int) -> None:
    _check_result(target, made)
    if made.result is not None:
        made.shown = tool_results.view(made.result, max_bytes)


def _check_result(target: Target, made: Outcome) -> None:
    """A result that breaks the tool's own schema is none. The server itself did answer."""
    result = made.result
    if result is None or result.is_error or result.truncated:
        return
    if why := tool_arguments.why_no_result(target.output_schema, result.structured):
        text = f"its result is not what the tool promises: {why}"
        made.result, made.failure = None, Unavailable("protocol", text, sent=True)
        made.may_have_happened = True


async def _call(
    servers: ToolServers, attempts: Attempts, target: Target, timeout_s: float
) -> ToolResult:
    """One attempt. Raise Unavailable."""
    try:
        async with asyncio.timeout(timeout_s + SLACK_S / 2):
            return await servers.call_tool(
                target.spec,
                target.tool,
                attempts.arguments,
                timeout_s,
                wire_bytes(attempts.max_bytes),
            )
    except TimeoutError:
        text = f"no answer came in {timeout_s:.0f} s"
        raise Unavailable("timeout", text, sent=True) from None
