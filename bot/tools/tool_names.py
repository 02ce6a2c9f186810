"""The names by which agents call the tools of other servers: `server__tool`.

A model's interface takes letters, digits, `_` and `-`, and at most 64 of them. A server may name
its tools as it likes, so what does not fit is replaced, and the name gets the beginning of a hash.
No operation's name has two underscores in a row.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import Any

SEPARATOR = "__"
# The operation that calls them.
CALL = "call_tool"
LONGEST = 64
FITTING = re.compile(r"[A-Za-z0-9_-]+")
UNFIT = re.compile(r"[^A-Za-z0-9_-]+")


def is_tool_name(name: str) -> bool:
    return SEPARATOR in name.strip("_")


def named_call(name: str, given: Any) -> tuple[str, Any]:
    """The call that is meant by the name of a tool, in place of an operation's name."""
    if not is_tool_name(name):
        return name, given
    return CALL, {"tool": name, "arguments": given}


def public_name(server: str, tool: str) -> str:
    """The name by which agents call the tool. The same for the same tool, always."""
    room = LONGEST - len(server) - len(SEPARATOR)
    if FITTING.fullmatch(tool) and len(tool) <= room:
        return f"{server}{SEPARATOR}{tool}"
    mark = hashlib.sha256(tool.encode(errors="surrogatepass")).hexdigest()[:8]
    kept = UNFIT.sub("_", tool)[: room - len(mark) - 1].strip("_") or "tool"
    return f"{server}{SEPARATOR}{kept}_{mark}"


def split(name: str) -> tuple[str, str] | None:
    """The server, and the tool as its public name shows it. None for another kind of name."""
    server, separator, tool = name.partition(SEPARATOR)
    return (server, tool) if separator and server and tool else None


def real_name(server: str, shown: str, tools: Iterable[str]) -> str | None:
    """The tool with this public name."""
    name = f"{server}{SEPARATOR}{shown}"
    return next((each for each in tools if public_name(server, each) == name), None)
