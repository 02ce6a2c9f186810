"""What a guest left behind: an answer or a failure, and its log."""

from dataclasses import dataclass

from bot.kernel.plugin_calls import Failure, FailureKind

MOST_ERROR = 2000
# Of what a guest writes to its log, whatever is kept of it.
MOST_LOGGED, MOST_LOG_WRITES = 4 << 20, 2_000
FLOODED_LOG = Failure(
    "bad_output", f"It wrote more than {MOST_LOGGED >> 20} MiB, or too often, to its log."
)
FLOODED_HOST = Failure(
    "trap", "It went on to call its host after it had been refused for the number."
)


@dataclass(frozen=True, slots=True)
class Outcome:
    answer: str | None = None  # JSON, not checked yet
    failure: Failure | None = None
    log: str = ""
    fuel: int = 0


class Log:
    """The first bytes that a guest writes. The rest is dropped, and the last line says so."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept = bytearray()
        self._bytes = 0
        self._writes = 0

    def write(self, content: bytes) -> None:
        self._kept += content[: self._most - len(self._kept)]
        self._bytes += len(content)
        self._writes += 1

    @property
    def is_flooded(self) -> bool:
        """Whether so much came in that the guest must be ended: reading it takes time."""
        return self._bytes > MOST_LOGGED or self._writes > MOST_LOG_WRITES

    def text(self) -> str:
        text = self._kept.decode(errors="replace")
        return f"{text}\n(the rest was dropped)" if self._bytes > self._most else text


# How the texts of `hubbub_plugin.py` begin. Others are refusals in the plug-in's own words.
KINDS: tuple[tuple[str, FailureKind], ...] = (
    ("MemoryError", "out_of_memory"),
    ("It raised ", "trap"),
)


def guest_error(text: str) -> Failure:
    """The failure that a guest reports itself."""
    kind: FailureKind = next((kind for begin, kind in KINDS if text.startswith(begin)), "error")
    return Failure(kind, text[:MOST_ERROR])
