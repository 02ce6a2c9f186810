"""Other servers whose tools are called: what one is, what it answers, and how calls reach it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

Kind: TypeAlias = Literal["mcp", "openapi", "stdio", "composed"]
Why: TypeAlias = Literal[
    "unreachable", "timeout", "protocol", "refused", "too_large", "unauthorized", "rate_limited"
]
Json: TypeAlias = Mapping[str, Any]
# How far a call is: done, of how many, and a text. For those who wait.
Progress: TypeAlias = Callable[[float, float | None, str | None], Awaitable[None]]


@dataclass(frozen=True)
class ClientCredentials:
    """How an access token is requested: OAuth's grant `client_credentials`."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str = ""


@dataclass(frozen=True)
class ServerSpec:
    """Everything that a connection to a server needs. A change of it has another `version`.

    `headers`, `query` and `oauth` are the credential: no text and no log shows them.
    """

    installation_id: int
    server_id: str
    version: int
    kind: Kind
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    oauth: ClientCredentials | None = None
    document: Json | None = field(default=None, repr=False)
    options: Json = field(default_factory=dict)

    @property
    def key(self) -> tuple[int, str, int]:
        """By this, connections are pooled."""
        return self.installation_id, self.server_id, self.version


@dataclass(frozen=True)
class ToolSpec:
    """A tool as its server lists it. All texts in it are the server's: untrusted."""

    name: str
    title: str
    description: str
    input_schema: Json
    output_schema: Json | None = None
    read_only: bool = False
    idempotent: bool = False
    destructive: bool = True


@dataclass(frozen=True)
class TextPart:
    text: str


@dataclass(frozen=True)
class ImagePart:
    """`data`: base64."""

    data: str
    mime_type: str


@dataclass(frozen=True)
class AudioPart:
    """`data`: base64."""

    data: str
    mime_type: str


@dataclass(frozen=True)
class LinkPart:
    """The address of something that the server has. Nobody has looked at it."""

    uri: str
    name: str = ""
    mime_type: str = ""


Part: TypeAlias = TextPart | ImagePart | AudioPart | LinkPart


@dataclass(frozen=True)
class ToolResult:
    """What a tool answered: untrusted. `is_error`: the tool itself says that it failed."""

    content: Sequence[Part]
    structured: Any = None
    is_error: bool = False
    # Whether something was left out, because it was too much.
    truncated: bool = False


class Unavailable(Exception):
    """A server did not give what was asked for. `text` is for the one who asked.

    `sent`: whether the request may have reached the server, so that it may have had an effect.
    """

    def __init__(
        self, why: Why, text: str, *, retry_after_s: float | None = None, sent: bool = False
    ) -> None:
        super().__init__(text)
        self.kind = why
        self.text = text
        self.retry_after_s = retry_after_s
        self.sent = sent


class ToolServers(Protocol):
    """Connections to servers. Each method raises only `Unavailable` for what servers do."""

    async def list_tools(self, spec: ServerSpec) -> list[ToolSpec]:
        """All tools of a server, as it lists them now."""

    async def call_tool(
        self,
        spec: ServerSpec,
        tool: str,
        arguments: Json,
        timeout_s: float,
        max_bytes: int,
        progress: Progress | None = None,
    ) -> ToolResult:
        """Call a tool once. Cancelling this cancels the call at the server."""

    async def drop(self, installation_id: int, server_id: str) -> None:
        """Close all connections to a server, of every version."""


class ByKind:
    """Hands each call to the connections for its kind of server."""

    def __init__(self, kinds: Mapping[Kind, ToolServers]) -> None:
        self._kinds = kinds

    def _of(self, spec: ServerSpec) -> ToolServers:
        if (found := self._kinds.get(spec.kind)) is None:
            raise Unavailable("refused", f"This process does not call servers of kind {spec.kind}.")
        return found

    async def list_tools(self, spec: ServerSpec) -> list[ToolSpec]:
        return await self._of(spec).list_tools(spec)

    async def call_tool(
        self,
        spec: ServerSpec,
        tool: str,
        arguments: Json,
        timeout_s: float,
        max_bytes: int,
        progress: Progress | None = None,
    ) -> ToolResult:
        servers = self._of(spec)
        return await servers.call_tool(spec, tool, arguments, timeout_s, max_bytes, progress)

    async def drop(self, installation_id: int, server_id: str) -> None:
        for each in self._kinds.values():
            await each.drop(installation_id, server_id)
