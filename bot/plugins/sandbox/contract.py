"""What the sandbox and those who run plug-ins in it agree on."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, Self

from bot.kernel.plugin_calls import HookName

# wasm: a component of the world `hubbub:plugin/plugin`. process: a Python file, or a zip archive
# with one, under bubblewrap. An archive is never unpacked.
Kind = Literal["wasm", "process"]


@dataclass(frozen=True, slots=True)
class Code:
    """The code of one version of a plug-in. `read` is awaited only if it is not in the cache."""

    kind: Kind
    sha256: str
    read: Callable[[], Awaitable[bytes]]
    # Of a process in a zip archive: the path of its program there.
    entry: str = "__main__.py"

    @classmethod
    def of(cls, kind: Kind, content: bytes, entry: str = "__main__.py") -> Self:
        async def read() -> bytes:
            return content

        return cls(kind, hashlib.sha256(content).hexdigest(), read, entry)


@dataclass(frozen=True, slots=True)
class PluginCall:
    """One call of a hook. The guest's `handle` gets the hook, and the rest as one JSON object."""

    hook: HookName
    name: str = ""  # of the operation, strategy, protocol or panel
    arguments: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one call may use. Bytes are of UTF-8."""

    wall_s: float = 10.0
    # About a second of computing for each 5,000 million; processes get as many CPU seconds.
    fuel: int = 10_000_000_000
    memory_bytes: int = 64 << 20
    code_bytes: int = 32 << 20
    input_bytes: int = 1 << 20
    output_bytes: int = 256 << 10
    host_calls: int = 100
    host_call_bytes: int = 256 << 10  # of the arguments of one call
    host_answer_bytes: int = 1 << 20
    log_bytes: int = 16 << 10
    tmp_bytes: int = 16 << 20


class Host(Protocol):
    """What the guest may call, as the actor that it is bound to."""

    # Requests to the hosts that the manifest names: None where it names none.
    fetch: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]] | None

    async def call(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Raise Refused, which the guest gets as an error it may handle."""
