"""Says what a bug of a trusted plug-in was, and in which line of its code."""

import traceback
from collections.abc import Collection
from pathlib import Path

import pluggy

LONGEST = 900


def words(error: BaseException, modules: Collection[str]) -> str:
    what = f"{type(error).__name__}: {error}"[:LONGEST] if str(error) else type(error).__name__
    return f"It raised {what}{_place(error, modules)}"


def modules_of(manager: pluggy.PluginManager) -> set[str]:
    """The packages or modules in which the code of the plug-in is."""
    return {
        str(getattr(each, "__module__", None) or getattr(each, "__name__", "")).partition(".")[0]
        for each in manager.get_plugins()
    }


def _place(error: BaseException, modules: Collection[str]) -> str:
    """The last line of the plug-in's own code that ran, such as ` (plugin.py, line 12)`."""
    found = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        if str(frame.f_globals.get("__name__")).partition(".")[0] in modules:
            found = f" ({Path(frame.f_code.co_filename).name}, line {line})"
    return found
