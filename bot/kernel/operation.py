"""An operation: one typed function, which every surface offers.

The signature gives the arguments, the docstring the description, the return type the schema of
the result.
"""

import inspect
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model

from bot.errors import Refused
from bot.flags.flags import Flags
from bot.identity import permissions
from bot.identity.actors import Actor, ActorKey
from bot.identity.keyring import Keys
from bot.kernel import argument_errors, event_stream, tolerance
from bot.kernel.outside import Outside, OutsideCall
from bot.kernel.waitable import Waitable
from bot.quotas.file_rules import FileRules
from bot.quotas.money import Caps
from bot.quotas.rates import Rates
from bot.quotas.table import Quota
from bot.tool_servers.metrics import ToolMetrics
from store.agents.call_state import CallState
from store.engine.transaction import Tx, Work
from store.tables.agents import Role

LONGEST_KEY = 100
Key: TypeAlias = Annotated[
    str,
    Field(min_length=1, max_length=LONGEST_KEY, description="calls with the same key run once"),
]
# An issue's address, as people copy it from their browser.
ADDRESS = re.compile(r"https?://[^/\s]+/([^/\s]+/[^/\s]+)/(?:issues|pull)/(\d+)(?:[/?#].*)?")


def issue_reference(ref: str) -> str:
    found = ADDRESS.fullmatch(ref)
    return f"{found[1]}#{found[2]}" if found else ref


# How callers name a task.
TaskRef: TypeAlias = Annotated[
    str,
    Field(description="owner/repo#12 or a task id", max_length=300),
    AfterValidator(issue_reference),
]
RepositoryName: TypeAlias = Annotated[str, Field(description="owner/repo", max_length=250)]
WaitSeconds: TypeAlias = Annotated[
    float, Field(ge=0, le=50, description="wait up to this many seconds, at most 50")
]

# They are built with the first call, because no process needs those of all operations at once.
ARGUMENTS = ConfigDict(extra="forbid", defer_build=True)

# Problems in the message. The details list more.
MOST_SHOWN = 3


class Notice(BaseModel):
    """Something that an agent should know and did not ask for."""

    kind: str = Field(
        description="for example hold, review, comment or lease_lost; docs/reference/events.md "
        "has all"
    )
    subject: str = Field(
        description="the task, or the id of the message, write or agent that it is about"
    )
    message: str
    # Marks the notice as delivered. Not a part of the answer.
    key: str = Field("", exclude=True)


class Answer(BaseModel):
    """The fields of every answer, beside those of its operation."""

    model_config = ConfigDict(extra="forbid", defer_build=True)
    # Fields that are encrypted in the database, so they are not stored for a repeated call. The
    # form is that of pydantic's `exclude`.
    sealed: ClassVar[Mapping[str, Any]] = MappingProxyType({})

    # Fields that models do not need, so that MCP leaves them out. The form is the same.
    omitted: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    # Whether it shows what the mirror holds of GitHub, so that models must know how old that is.
    of_mirror: ClassVar[bool] = True

    as_of: str = Field("", description="the answer includes what GitHub sent until this time")
    stale_s: float = Field(0, description="how many seconds ago `as_of` was")
    behind: list[str] = Field(
        [], description="what is known to be missing from the answer's data, and why"
    )
    notices: list[Notice] = Field([], description="what you should know")

    def lean(self) -> Self:
        """The answer for models, which pay for each character: without what is said twice."""
        return self

    def content_parts(self) -> list[dict[str, Any]]:
        """What MCP shows beside the answer's JSON: links, images and audio, as its content."""
        return []

    async def as_it_is(self, _tx: Tx, _installation_id: int) -> Self:
        """The stored answer with its newest state, for a repeated call."""
        return self


@dataclass(frozen=True)
class Shared:
    """What all operations of a process share.

    `idle_after` and `inactive_after`: microseconds after an agent's last call.
    """

    keys: Keys
    idle_after: int = 5 * 60 * 1_000_000
    inactive_after: int = 60 * 60 * 1_000_000
    # The address of this server, if people can log in there.
    login_url: str = ""
    # On what agents report to have spent.
    caps: Caps = field(default_factory=Caps)
    # The quotas of agents. Without settings no rate is counted in memory.
    rates: Rates = field(default_factory=lambda: Rates(is_open=True))
    flags: Flags = field(default_factory=Flags)
    files: FileRules = field(default_factory=FileRules)
    # Origins that the operator trusts: Hubbub may reach agents and services there.
    trusted_origins: frozenset[str] = frozenset()
    # How many WebSockets each agent has open with this process.
    sockets: Counter[ActorKey] = field(default_factory=Counter)
    # What the operator set for single installations.
    own_caps: dict[int, Caps] = field(default_factory=dict)
    # How tool servers answer this process.
    tool_metrics: ToolMetrics = field(default_factory=ToolMetrics)
    # What operations call outside of the database.
    outside: Outside = field(default_factory=Outside)

    def caps_of(self, installation_id: int) -> Caps:
        return self.own_caps.get(installation_id, self.caps)


@dataclass(frozen=True)
class Handover:
    """What to write when the caller got what the answer hands over, and when nobody got it."""

    confirm: Work[None]
    take_back: Work[None]


@dataclass(frozen=True)
class Context:
    """What an operation gets. `now`: microseconds UTC, the same in the whole transaction."""

    tx: Tx
    actor: Actor
    now: int
    shared: Shared
    # Read before everything else of the call.
    state: CallState
    # The name of the operation that runs.
    operation: str
    # The slash commands that do the same as the call, if the caller is a person.
    verbs: frozenset[str]
    # Work for after the call, which also happens if the call only reads or is refused.
    later: list[Work[None]]
    handovers: list[Handover]
    # The caller passed `wait_s`, so nothing to give is an answer.
    waits: bool
    # When the text of a command was written, in GitHub's time.
    written_at: int | None
    # Everybody who reads the issue can read the answer.
    in_comment: bool
    # The issue or pull request of the comment: the repository's id, and the number.
    commented_on: tuple[int, int] | None
    # The task that pays for the call, if it is not the one that the caller holds.
    for_task: str | None = None

    @property
    def installation_id(self) -> int:
        return self.actor.installation_id

    @property
    def quotas(self) -> Mapping[str, Quota]:
        return self.shared.rates.of(self.installation_id)

    @property
    def caps(self) -> Caps:
        return self.shared.caps_of(self.installation_id)

    @property
    def needed_role(self) -> Role:
        """The lowest role that may call the operation at all."""
        return permissions.lowest_role(self.operation, person=self.actor.is_person)

    @property
    def events_cursor(self) -> str:
        """Where to wait for events from: none falls between it and what the call reads."""
        return event_stream.cursor_text(self.installation_id, self.state["head"])

    @property
    def decided_at(self) -> int:
        """When the caller decided this. A command may run much later than it was written."""
        return self.now if self.written_at is None else self.written_at


# What the calling agent must be: `here`: not unregistered; `at_work`: also not paused.
Presence: TypeAlias = Literal["any", "here", "at_work"]


@dataclass(frozen=True)
class Slash:
    """A slash command that calls the operation from a comment.

    The task is the issue of the comment. The words become `arguments` in order, and the last
    argument gets all that remain. The verb itself means the arguments `given`. `reply` makes the
    comment that answers; without it the answer is a reaction. `shown` is what people read instead
    of the first argument's name. `required`: it needs the first word. `collect`: makes the value of
    the last argument from the words that remain, which people read as `rest`. `choices`: one
    sentence with the values of the first word in a repository, for who left it out.
    """

    verb: str
    help: str
    arguments: tuple[str, ...] = ()
    given: Mapping[str, Any] = field(default_factory=dict)
    reply: Callable[[Any], str | None] | None = None
    shown: str | None = None
    required: bool = False
    collect: Callable[[Sequence[str]], Any] | None = None
    rest: str | None = None
    choices: Callable[[Tx, int, int], Awaitable[str]] | None = None

    def does(self, call: Mapping[str, Any]) -> bool:
        """Whether the command does the same as a call with these arguments."""
        fixed = all(call.get(name) == value for name, value in self.given.items())
        return fixed and (not self.required or call.get(self.arguments[0]) is not None)


@dataclass(frozen=True)
class Operation:
    name: str
    description: str
    arguments: type[BaseModel]
    result: type[Answer]
    run: Callable[..., Awaitable[Answer | OutsideCall[Any]]]
    # The lowest role of an agent that may call it.
    role: Role
    reads_only: bool
    idempotent: bool
    destructive: bool
    reaches_github: bool
    # Has no audit row, and no stored answer unless the caller gives a key: twice is harmless.
    quiet: bool
    presence: Presence
    slashes: tuple[Slash, ...]
    # The operation takes `wait_s`: a caller can wait until the answer is final.
    waitable: Waitable[Any] | None

    def verbs_of(self, arguments: BaseModel) -> frozenset[str]:
        """The slash commands that do the same as a call with these arguments."""
        call = vars(arguments)
        return frozenset(each.verb for each in self.slashes if each.does(call))

    def parse(self, given: Any, *, name: str | None = None) -> BaseModel:
        """Parse the arguments. Raise Refused. `name` begins the error; it is empty for people."""
        name = self.name if name is None else name
        try:
            found = tolerance.validate(self.arguments.model_validate, given, self.arguments)
        except tolerance.InvalidArguments as exc:
            raise _invalid(self, exc.error, exc.given, name) from exc
        if not self.reads_only and (wrong := argument_errors.wrong_value(found)):
            place, why = wrong
            raise Refused(
                "invalid_arguments",
                f"{name and f'{name}: '}`{place}` {why}.",
                errors=[{"argument": place, "problem": why}],
            )
        return found


def operation(
    *,
    reads_only: bool = False,
    idempotent: bool = False,
    destructive: bool = False,
    reaches_github: bool = False,
    quiet: bool = False,
    presence: Presence | None = None,
    slashes: tuple[Slash, ...] = (),
    waitable: Waitable[Any] | None = None,
) -> Callable[[Callable[..., Awaitable[Answer | OutsideCall[Any]]]], Operation]:
    """Turn `async def name(ctx, …) -> Answer` into an `Operation`.

    One that calls others first is `-> Answer | OutsideCall[…]`.

    Unless it only reads, it takes `key`, so that a repeated call is done once.

    Who may call it stands in bot/identity/permissions.py, in the row with its name.

    `presence` defaults to `any` if it only reads, to `at_work` if it writes on GitHub, else `here`.
    """
    usual: Presence = "any" if reads_only else "at_work" if reaches_github else "here"

    def to_operation(run: Callable[..., Awaitable[Answer | OutsideCall[Any]]]) -> Operation:
        signature = inspect.signature(run, eval_str=True)
        _ctx, *parameters = signature.parameters.values()
        fields: dict[str, Any] = {
            p.name: (p.annotation, ... if p.default is p.empty else p.default) for p in parameters
        }
        if waitable:
            fields["wait_s"] = (WaitSeconds, 0)
        if not reads_only:
            fields["key"] = (Key | None, None)
        return Operation(
            name=run.__name__,
            description=" ".join((inspect.getdoc(run) or "").split()),
            arguments=create_model(run.__name__, __config__=ARGUMENTS, **fields),
            result=_answer_type(signature.return_annotation),
            run=run,
            role=permissions.lowest_role(run.__name__),
            reads_only=reads_only,
            idempotent=idempotent or reads_only,
            destructive=destructive,
            reaches_github=reaches_github,
            quiet=quiet,
            presence=presence or usual,
            slashes=slashes,
            waitable=waitable,
        )

    return to_operation


def _answer_type(annotation: Any) -> type[Answer]:
    """The answer's model in what an operation returns."""
    answer: type[Answer] = next(iter(get_args(annotation)), annotation)
    return answer


def _invalid(which: Operation, exc: ValidationError, given: Any, name: str) -> Refused:
    problems = argument_errors.problems(exc, given, which.arguments)
    first = [
        f"`{each}` {why}" if each else f"the arguments {why}" for each, why in problems.items()
    ]
    takes = (
        f" Its arguments: {argument_errors.parameter_names(which.arguments)}."
        if argument_errors.has_wrong_name(exc)
        else ""
    )
    return Refused(
        "invalid_arguments",
        f"{name and f'{name}: '}{'; '.join(first[:MOST_SHOWN])}.{takes}",
        errors=[{"argument": each, "problem": why} for each, why in problems.items()],
    )
