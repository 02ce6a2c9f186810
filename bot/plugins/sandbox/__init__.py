"""Runs code that nobody here vouches for: it can do nothing but compute and call its host."""

from asyncio import AbstractEventLoop, get_running_loop
from weakref import WeakKeyDictionary

from bot.kernel.plugin_calls import Failure, PluginResult
from bot.plugins.sandbox.contract import Code, Host, Limits, PluginCall
from bot.plugins.sandbox.sandbox import DEEPEST, MOST_AT_ONCE, Sandbox, default_folder

__all__ = ["DEEPEST", "MOST_AT_ONCE", "prepare", "run"]
_sandboxes: WeakKeyDictionary[AbstractEventLoop, Sandbox] = WeakKeyDictionary()


async def run(code: Code, call: PluginCall, limits: Limits, host: Host) -> PluginResult:
    """Run one call. Errors of the guest are values; bugs of `host.call` are raised."""
    return await _sandbox().run(code, call, limits, host)


async def prepare(code: Code, limits: Limits | None = None) -> Failure | None:
    """Check and compile the code, which takes seconds, so that the first call does not wait."""
    return await _sandbox().prepare(code, limits or Limits())


def _sandbox() -> Sandbox:
    loop = get_running_loop()
    if loop not in _sandboxes:
        _sandboxes[loop] = Sandbox(default_folder())
    return _sandboxes[loop]
