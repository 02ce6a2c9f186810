"""What a transport must know of the call that it carries, and what it found out."""

from contextvars import ContextVar
from dataclasses import dataclass

from bot.tool_servers.connections import Unavailable

# Of an answer to anything that is no call of a tool.
MOST_BYTES = 8 * 1024 * 1024


@dataclass
class Exchange:
    """`failure`: why the transport gave no answer of the server.

    `until`: when the caller waits for the answer no more, by the clock of the event loop. None: it
    is no call, but belongs to the connection. `sent`: whether a request for it began to leave.
    `forgotten`: the server does not know the session any more, so it did nothing.
    """

    max_bytes: int = MOST_BYTES
    until: float | None = None
    sent: bool = False
    forgotten: bool = False
    failure: Unavailable | None = None
    # Bytes of answers that were read for it.
    size: int = 0


# The library hands it on from the task that calls to the one that sends.
CURRENT: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


def current() -> Exchange:
    """That of the call, or one of its own for what nobody called, such as a stream of events."""
    return CURRENT.get() or Exchange()
