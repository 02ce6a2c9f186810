"""Where a change comes from, for the audit."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

# `server`: Hubbub by itself, such as the end of a lease. `webhook`: a delivery of GitHub.
# `endpoint`: Hubbub on behalf of an agent that it reaches by another protocol.
Surface: TypeAlias = Literal[
    "mcp",
    "stdio",
    "rest",
    "websocket",
    "a2a",
    "page",
    "oauth",
    "cli",
    "comment",
    "plugin",
    "webhook",
    "server",
    "endpoint",
]
# Hubbub itself, as who acts.
BOT = "hubbub[bot]"


@dataclass(frozen=True)
class Origin:
    """`remote`: the address of the client. `credential`: the id of its token or session.

    `request`: the id of the HTTP request, the GUID of the delivery, or the place of a command.
    """

    surface: Surface = "server"
    remote: str = ""
    credential: str = ""
    request: str = ""
    # Who acts, for rows whose writer does not know it.
    actor: str = BOT


SERVER = Origin()
