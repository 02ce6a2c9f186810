"""A plug-in's manifest, `hubbub-plugin.yml`: what it is, what it adds, and what it may do."""

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from bot.kernel.event_kinds import KINDS
from bot.kernel.patterns import Shape
from bot.plugins.versions import RANGE, RANGE_WORDS, VERSION, VERSION_WORDS
from bot.repository.repository_settings import without_null
from bot.repository.setting_types import Group
from store.tables.agents import Role

FILE = "hubbub-plugin.yml"
# Between the names of a plug-in and of its operation.
SEPARATOR = "__"
MOST_ADDED, MOST_ARGUMENTS, MOST_CALLS, MOST_HOSTS, MOST_SETTINGS = 30, 20, 60, 20, 30
# MCP's names of tools have at most 64 characters, and those of operations in the audit 60.
LONGEST_NAME = 28


def _are_unique(given: list[str]) -> list[str]:
    if twice := next((each for n, each in enumerate(given) if each in given[:n]), None):
        raise ValueError(f"names {twice} twice")
    return given


def _is_known_event(kind: str) -> str:
    if kind not in KINDS and kind.removesuffix(".*") not in TOPICS:
        raise ValueError("is no kind of event, nor one of their topics as in task.*")
    return kind


TOPICS = frozenset(kind.partition(".")[0] for kind in KINDS)
UNIQUE = AfterValidator(_are_unique)
PluginName: TypeAlias = Annotated[
    str,
    Shape(
        rf"^[a-z][a-z0-9-]{{0,{LONGEST_NAME - 1}}}$",
        f"must have at most {LONGEST_NAME} lower-case letters, digits and hyphens, a letter first",
    ),
]
# An underscore is never followed by another one, so that a full name has one SEPARATOR.
PartName: TypeAlias = Annotated[
    str,
    StringConstraints(max_length=LONGEST_NAME),
    Shape(
        r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$",
        "must be lower-case words of letters and digits, joined by single underscores",
    ),
]
Version: TypeAlias = Annotated[str, Shape(f"^{VERSION}$", VERSION_WORDS)]
Range: TypeAlias = Annotated[str, Shape(f"^{RANGE}$", RANGE_WORDS)]
Line: TypeAlias = Annotated[
    str, Field(max_length=200), Shape(r"^\S(.*\S)?$", "must be one line of text")
]
Publisher: TypeAlias = Annotated[
    str, Shape(r"^[A-Za-z0-9][A-Za-z0-9-]{0,38}$", "must be a name like a GitHub login")
]
OperationName: TypeAlias = Annotated[
    str,
    Shape(r"^[a-z][a-z0-9-]{0,27}__[a-z0-9_]{1,28}$|^[a-z][a-z0-9_]{0,60}$", "is no operation"),
]
Host: TypeAlias = Annotated[
    str,
    StringConstraints(max_length=253),
    Shape(
        r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+(:[1-9][0-9]{1,4})?$",
        "must be a host in lower-case letters such as api.example.com, with :PORT if not 443",
    ),
]
EventKind: TypeAlias = Annotated[str, Field(max_length=60), AfterValidator(_is_known_event)]
ValueType: TypeAlias = Literal["text", "number", "boolean", "list"]
Value: TypeAlias = str | int | float | bool | list[str]
# `issues`, `issues.opened`, or `*` for all of GitHub's events.
WebhookEvent: TypeAlias = Annotated[
    str,
    Shape(
        r"^(\*|[a-z][a-z_]{0,59}(\.[a-z][a-z_]{0,59})?)$",
        "must be an event of GitHub such as issues or issues.opened, or *",
    ),
]
ToolName: TypeAlias = Annotated[
    str, StringConstraints(max_length=128), Shape(r"^[!-~]+$", "must be the name of a tool")
]
ArgumentName: TypeAlias = Annotated[
    str, StringConstraints(max_length=100), Shape(r"^[!-~]+$", "must be the name of an argument")
]
Filled: TypeAlias = dict[ArgumentName, Value]
Kind: TypeAlias = Literal["python", "wasm", "process", "mcp", "probot"]
# Kinds whose package has the code.
SANDBOXED = ("wasm", "process")
ENTRIES: dict[Kind, tuple[str, str]] = {
    "python": (r"[A-Za-z_][\w]*(\.[A-Za-z_]\w*)*(:[A-Za-z_]\w*)?", "a module, or MODULE:OBJECT"),
    "wasm": (r"[\w][\w./-]*\.wasm", "the path of a file .wasm"),
    "process": (r"[\w][\w-]*(/[\w][\w-]*)*\.py", "the path of a program .py in the package"),
    "mcp": (r"https?://[!-~]+", "the address of an MCP server"),
    "probot": (r"https?://[!-~]+", "the address of the app's webhook endpoint"),
}


class Argument(Group):
    """One argument of an operation."""

    type: ValueType = "text"
    description: Line
    required: bool = False


class AddedOperation(Group):
    """An operation, which is called as PLUGIN__NAME."""

    name: PartName
    description: Annotated[str, Field(min_length=1, max_length=500)]
    arguments: dict[PartName, Argument] = Field({}, max_length=MOST_ARGUMENTS)
    reads_only: bool = False
    role: Role = Field("developer", description="the lowest role of its callers")


class Named(Group):
    """A decomposition strategy, a protocol or a panel."""

    name: PartName
    description: Line


class Follow(Group):
    """What is done with the result of a tool: a call of an operation, as the plug-in."""

    operation: OperationName
    arguments: Filled = Field({}, max_length=MOST_ARGUMENTS)


class Handler(Group):
    """Calls a tool of the mounted server when an event comes. In texts, {subject} is filled in."""

    event: EventKind
    tool: ToolName
    arguments: Filled = Field({}, max_length=MOST_ARGUMENTS)
    then: Follow | None = None


class Additions(Group):
    """What the plug-in adds to Hubbub."""

    operations: list[AddedOperation] = Field([], max_length=MOST_ADDED)
    events: Annotated[list[EventKind], Field(max_length=MOST_ADDED), UNIQUE] = Field(
        [], description="kinds of events that it handles; task.* has all of a topic"
    )
    card_lines: bool = Field(False, description="adds lines to the card of a task")
    strategies: list[Named] = Field([], max_length=MOST_ADDED)
    protocols: list[Named] = Field([], max_length=MOST_ADDED)
    panels: list[Named] = Field([], max_length=MOST_ADDED)
    handlers: list[Handler] = Field(
        [], max_length=MOST_ADDED, description="for mcp: events that call tools of its server"
    )
    deliveries: Annotated[list[WebhookEvent], Field(max_length=MOST_ADDED), UNIQUE] = Field(
        [], description="for probot: the events of GitHub that are forwarded to the app"
    )

    @model_validator(mode="after")
    def has_unique_names(self) -> Self:
        for what in ("operations", "strategies", "protocols", "panels"):
            names = [each.name for each in getattr(self, what)]
            if twice := next((each for n, each in enumerate(names) if each in names[:n]), None):
                raise ValueError(f"has two {what} with the name {twice}")
        return self

    def handles(self, kind: str) -> bool:
        wanted = {*self.events, *(each.event for each in self.handlers)}
        return not wanted.isdisjoint((kind, f"{kind.partition('.')[0]}.*"))


class Permissions(Group):
    """What the plug-in may do. People read this before they install it."""

    role: Role = Field("observer", description="the role with which it calls operations")
    operations: Annotated[list[OperationName], Field(max_length=MOST_CALLS), UNIQUE] = Field(
        [], description="the operations that it may call"
    )
    hosts: Annotated[list[Host], Field(max_length=MOST_HOSTS), UNIQUE] = Field(
        [], description="the hosts that it may reach over HTTPS"
    )


class Setting(Group):
    """A setting, which a person gives when they turn the plug-in on."""

    type: Literal["text", "number", "boolean", "list", "secret"] = "text"
    description: Line
    required: bool = False
    default: Value | None = None

    @model_validator(mode="after")
    def has_fitting_default(self) -> Self:
        if self.default is None:
            return self
        if self.type == "secret":
            raise ValueError("is a secret, which can have no default")
        if not of_type(self.type, self.default):
            raise ValueError(f"has a default that is no {self.type}")
        return self


TYPES: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "secret": (str,),
    "number": (int, float),
    "boolean": (bool,),
    "list": (list,),
}


def of_type(kind: str, value: Any) -> bool:
    """Whether the value is one of this type. For Python, true is also a number."""
    if isinstance(value, list) and not all(isinstance(each, str) for each in value):
        return False
    return isinstance(value, TYPES[kind]) and (kind == "boolean") == isinstance(value, bool)


class Manifest(Group):
    """The keys of `hubbub-plugin.yml`."""

    name: PluginName
    version: Version
    description: Line
    publisher: Publisher
    licence: Annotated[str, Field(max_length=100), Shape(r"^\S(.*\S)?$", "must be one line")]
    hubbub: Range = Field(description="the versions of Hubbub that it works with")
    needs: dict[PluginName, Range] = Field(
        {}, max_length=20, description="other plug-ins, with the versions that fit"
    )
    kind: Kind = Field(
        description="python: trusted code in the server; wasm or process: code in the sandbox; "
        "mcp or probot: a server of others"
    )
    entry: Annotated[str, Field(max_length=200)] = Field(
        description="python: MODULE:OBJECT; wasm and process: a path in the package; "
        "else an address"
    )
    adds: Additions = Additions()
    permissions: Permissions = Permissions()
    settings: dict[PartName, Setting] = Field({}, max_length=MOST_SETTINGS)

    def full_name(self, operation: str) -> str:
        return f"{self.name}{SEPARATOR}{operation}"

    def operation(self, name: str) -> AddedOperation | None:
        return next((each for each in self.adds.operations if each.name == name), None)


# The models of the keys, by their paths in the file.
GROUPS: dict[tuple[str, ...], type[Group]] = {
    (): Manifest,
    ("adds",): Additions,
    ("adds", "operations", "*"): AddedOperation,
    ("adds", "operations", "*", "arguments", "*"): Argument,
    ("adds", "strategies", "*"): Named,
    ("adds", "protocols", "*"): Named,
    ("adds", "panels", "*"): Named,
    ("adds", "handlers", "*"): Handler,
    ("adds", "handlers", "*", "then"): Follow,
    ("permissions",): Permissions,
    ("settings", "*"): Setting,
}


def schema() -> dict[str, Any]:
    """The JSON Schema for editors."""
    made = Manifest.model_json_schema()
    for group in (made, *made["$defs"].values()):
        for key, each in group.get("properties", {}).items():
            group["properties"][key] = without_null(each)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **made,
        "title": f"The manifest of a plug-in of Hubbub: {FILE}",
    }
