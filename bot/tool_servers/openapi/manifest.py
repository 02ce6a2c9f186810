"""What is stored of a document: its tools, and how the arguments of each become a request."""

from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

from bot.tool_servers.connections import ToolSpec

In: TypeAlias = Literal["path", "query", "header", "cookie"]
Style: TypeAlias = Literal[
    "simple",
    "label",
    "matrix",
    "form",
    "spaceDelimited",
    "pipeDelimited",
    "deepObject",
    "json",  # the value as JSON, for parameters with `content`
]
BodyKind: TypeAlias = Literal["json", "form", "multipart", "text"]

# The arguments that are no parameters.
BODY, PAGES = "body", "pages"


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Parameter(_Stored):
    """`argument`: its name as an argument of the tool. `name`: in the request."""

    argument: str
    name: str
    place: In
    style: Style
    explode: bool
    allow_reserved: bool = False


class Field(_Stored):
    """How one field of a form is written. `content_type`: of a part of a multipart body."""

    style: Style = "form"
    explode: bool = True
    content_type: str = ""
    is_file: bool = False


class Body(_Stored):
    kind: BodyKind
    content_type: str
    fields: dict[str, Field] = {}


class Tool(_Stored):
    """One operation."""

    name: str
    title: str
    description: str
    method: str
    path: str
    parameters: tuple[Parameter, ...]
    body: Body | None
    accept: str
    input_schema: dict[str, Any]
    read_only: bool
    idempotent: bool
    destructive: bool

    def spec(self) -> ToolSpec:
        return ToolSpec(
            name=self.name,
            title=self.title,
            description=self.description,
            input_schema=self.input_schema,
            read_only=self.read_only,
            idempotent=self.idempotent,
            destructive=self.destructive,
        )


class Manifest(_Stored):
    """`skipped`: operations that cannot be tools, each with the reason. `digest`: of all."""

    title: str
    version: str
    base_url: str
    tools: tuple[Tool, ...]
    skipped: tuple[str, ...] = ()
    digest: str = ""
