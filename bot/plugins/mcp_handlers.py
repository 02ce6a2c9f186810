"""Plug-ins of the kind `mcp`: events call tools of a mounted MCP server, by the manifest alone.

Each call has a key made of the event, so that an event that comes again calls no tool twice. What a
tool answers is data: it goes only where the manifest sends it, quoted and with its source.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.errors import Refused
from bot.kernel.plugin_calls import Failure, HookCall, PluginResult
from bot.plugins.manifest import SEPARATOR, Handler, Manifest
from bot.plugins.sandbox.contract import Host

PLACE = re.compile(r"\{([a-z_]+(?:\.[A-Za-z0-9_]+)*)\}")
LONGEST_RESULT = 8_000
# Codes of errors after which the event is tried again.
TRANSIENT = frozenset({"tool_unavailable", "tool_limit", "rate_limited"})


@dataclass(frozen=True)
class McpHandlers:
    """What runs in place of code."""

    manifest: Manifest

    async def run(self, call: HookCall, host: Host, timeout_s: float) -> PluginResult:
        """Handle an event. What goes wrong is a value."""
        event = call.arguments.get("event", {})
        try:
            async with asyncio.timeout(timeout_s):
                for n, each in enumerate(self.manifest.adds.handlers):
                    if each.event in (event["kind"], f"{event['kind'].partition('.')[0]}.*"):
                        await self._handle(each, event, f"{event['id']} {n}", host)
        except TimeoutError:
            return _failure("timed_out", f"Its handlers took longer than {timeout_s:g} s.")
        except Refused as exc:
            kind = "timed_out" if exc.code in TRANSIENT else "error"
            return _failure(kind, f"{exc.code}: {exc.message}")
        return PluginResult()

    async def _handle(self, each: Handler, event: Mapping[str, Any], key: str, host: Host) -> None:
        """Raise Refused."""
        tool = f"{self.manifest.name}{SEPARATOR}{each.tool}"
        arguments = with_values(each.arguments, event)
        given = {"tool": tool, "arguments": arguments, "key": key}
        answer = await host.call("call_tool", given)
        if answer.get("failed"):
            raise Refused("plugin_failed", f"{tool} says that it failed: {answer['text'][:200]}")
        if each.then is not None:
            result = _quotation(tool, str(answer.get("text", "")))
            after = with_values(each.then.arguments, {**event, "result": result})
            await host.call(each.then.operation, {**after, "key": f"{key} then"})


def _failure(kind: Any, text: str) -> PluginResult:
    return PluginResult(failure=Failure(kind, text))


def _quotation(tool: str, text: str) -> str:
    """The words of a server of others, which nobody here vouches for."""
    lines = text[:LONGEST_RESULT].splitlines() or ["(no text)"]
    return f"`{tool}` of another server says:\n\n" + "\n".join(f"> {each}" for each in lines)


def with_values(arguments: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments, with the values for their places. Raise Refused for an unknown place."""
    return {name: _with_values(each, values) for name, each in arguments.items()}


def _with_values(given: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(given, list):
        return [_with_values(each, values) for each in given]
    if not isinstance(given, str):
        return given
    if whole := PLACE.fullmatch(given):
        return _value(whole[1], values)
    return PLACE.sub(lambda found: _text(_value(found[1], values)), given)


def _value(path: str, values: Mapping[str, Any]) -> Any:
    found: Any = values
    for part in path.split("."):
        if not isinstance(found, Mapping) or part not in found:
            known = ", ".join(f"{{{each}}}" for each in values)
            raise Refused("invalid_arguments", f"The event has no {{{path}}}. It has {known}.")
        found = found[part]
    return found


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
