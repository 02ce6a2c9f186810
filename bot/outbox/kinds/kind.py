"""The definition of a kind of write. `bot.outbox.kinds` has a table of them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias
from urllib.parse import quote

from bot.comments import authorship, markers, replies
from bot.github.payloads import at, maybe_number, text
from bot.github.requests import GRAPHQL, Request
from bot.identity.actors import BOT
from bot.identity.keyring import Keys
from bot.times import SECOND, stamp
from store.engine.transaction import Tx
from store.tables.outbox import WriteRow

# A look begins this long before the send, because GitHub's clock and ours differ.
MARGIN = 60 * SECOND


@dataclass(frozen=True)
class Sending:
    """A write with all that its request needs.

    `known` is what `Kind.stored_values` returned. `prepared` has GitHub's answers to
    `Kind.prepare`, None for a 404. `predecessor` is the write named in `after`, and `before` is its
    result. `bot` is the id of our bot user, if it is known.
    """

    write: WriteRow
    repository: str
    keys: Keys
    known: dict[str, Any] = field(default_factory=dict)
    before: dict[str, Any] = field(default_factory=dict)
    predecessor: WriteRow | None = None
    prepared: tuple[Any, ...] = ()
    # Whether the author made something on GitHub a moment ago, which GitHub may not know yet.
    follows_own: bool = False
    bot: int | None = None

    @property
    def arguments(self) -> dict[str, Any]:
        found: dict[str, Any] = self.write["arguments"]
        return found

    @property
    def owner(self) -> str:
        return self.repository.partition("/")[0]

    @property
    def marker(self) -> str:
        # An edit keeps the marker of the comment that it edits.
        return markers.write(self.keys, "write", self.arguments.get("mark") or self.write["id"])

    @property
    def body(self) -> str:
        """The marker, the author and the text."""
        author = self.arguments.get("author") or self.write["author"]
        body = self.arguments["body"]
        if asker := self.arguments.get("asker"):
            body = replies.answer(asker, self.arguments["asked"], body)
        signed = body if author == BOT else replies.with_author(body, author)
        return f"{self.marker}\n{signed}"

    def path(self, template: str) -> str:
        """The template, filled with the repository and the quoted arguments."""
        names = {
            name: quote(str(value), safe="")
            for name, value in {**self.arguments, **self.known}.items()
            if isinstance(value, str | int)
        }
        repository = self.known.get("repository", self.repository)
        return template.format_map({**names, "repository": repository, "owner": self.owner})

    def pick(self, *names: str) -> dict[str, Any]:
        """Those of the named arguments that the write has."""
        return {name: self.arguments[name] for name in names if name in self.arguments}

    def since(self) -> str:
        began = self.write["sending_at"] or self.write["queued_at"]
        return stamp(began - MARGIN)[:19] + "Z"

    def is_mine(self, value: Any) -> bool:
        """Whether a comment, issue, review or PR by our bot has this write's marker."""
        mine = markers.Marker("write", self.write["id"])
        author_id = maybe_number(at(value, "user", "id"))
        ours = authorship.is_ours(text(at(value, "user", "login")), author_id, self.bot)
        return mine in markers.find(self.keys, text(at(value, "body")), ours=ours)


Result: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Mutation:
    """A write as a mutation of GraphQL. One request can carry several of them.

    `selection` is what GitHub answers, and `result` is what Hubbub keeps of that, as `Kind.result`.
    """

    name: str
    input: dict[str, Any]
    selection: str
    result: Callable[[Any], Result]

    @property
    def input_type(self) -> str:
        """All of GitHub's mutations name the type of their input like this."""
        return f"{self.name[0].upper()}{self.name[1:]}Input"


def rest(method: str, path: str, body: Callable[[Sending], Any] = lambda _: None) -> "Asking":
    """Makes a REST request. The arguments fill in `path`."""
    return lambda sending: Request(method, sending.path(path), body(sending))


def graphql(document: str, variables: Callable[[Sending], dict[str, Any]]) -> "Asking":
    """Makes a GraphQL request."""
    return lambda sending: Request(
        "POST", GRAPHQL, {"query": document, "variables": variables(sending)}
    )


def list_entries(data: Any) -> list[Any] | None:
    """The entries of an answer that is a list. None if it is not."""
    return data if isinstance(data, list) else None


def single_entry(data: Any) -> list[Any] | None:
    """An answer that is one object, as a list of one. None if it is not."""
    return [data] if isinstance(data, dict) and data else None


def entries_under(name: str) -> Callable[[Any], list[Any] | None]:
    """The entries of a list under this name in the answer."""
    return lambda data: list_entries(at(data, name))


async def never(_tx: Tx, _write: WriteRow) -> bool:
    return False


async def nothing_stored(_tx: Tx, _write: WriteRow) -> dict[str, Any]:
    return {}


async def only_rest(_tx: Tx, _sending: Sending) -> Mutation | None:
    return None


Asking: TypeAlias = Callable[[Sending], Request]
MayAsk: TypeAlias = Callable[[Sending], Request | None]


@dataclass(frozen=True)
class Kind:
    """A kind of write: its request, and what Hubbub keeps of the answer.

    A kind without `look` does no harm when it is sent twice. For a kind with `look`, Hubbub looks
    for the effect after an unknown outcome, before it sends the write again.
    """

    # The permission that the App needs, as in app.yml.
    permission: str
    request: Asking
    # What to keep of an answer. A value of None, but for an `url`, means that the answer is not of
    # the shape that this kind of write gets.
    result: Callable[[Any], Result]
    # What to keep of the request besides.
    keeps: Callable[[Sending], Result] = lambda _: {}
    # The rate limit of GitHub's that it counts against.
    resource: str = "core"
    # Whether it notifies people. Such writes are spaced further apart.
    notifies: bool = False
    # What the request needs from the database.
    stored_values: Callable[[Tx, WriteRow], Awaitable[dict[str, Any]]] = nothing_stored
    # Whether it would change nothing as things are now, so that it is dropped instead of sent.
    changes_nothing: Callable[[Tx, WriteRow], Awaitable[bool]] = never
    # What the request needs from GitHub. The last read must succeed. The others may answer 404.
    prepare: Callable[[Sending], list[Request]] = lambda _: []
    # Whether an answer to such a read has what the request takes from it.
    fits_prepared: Callable[[Any], bool] = lambda data: isinstance(data, dict) and bool(data)
    # Why it may not be sent any more, as things are now.
    unless: Callable[[Sending], str | None] = lambda _: None
    # What it needs and GitHub does not have yet. The write waits for it.
    lacks: Callable[[Sending], str | None] = lambda _: None
    # The result, if what `prepare` read shows that the write is not needed.
    needless: Callable[[Sending], Result | None] = lambda _: None
    # The same write as a mutation of GraphQL, which can share a request with others. None if the
    # mirror lacks an id that it needs.
    mutation: Callable[[Tx, Sending], Awaitable[Mutation | None]] = only_rest
    # How to look for the effect: the request, the entries in its answer (None if it is malformed),
    # and whether an entry is the effect of this write. The first such entry counts.
    look: MayAsk = lambda _: None
    entries: Callable[[Any], list[Any] | None] = list_entries
    found: Callable[[Sending, Any], bool] = Sending.is_mine
    # Whether there is no effect if GitHub says that what the look asks for is not there.
    absent: bool = False
    # Whether a refusal says that the effect is there already. Hubbub then looks for it.
    already: Callable[[int, Any], bool] = lambda _status, _data: False
    # What to do about a 404.
    absent_remedy: str = ""
    # How often to send again when a refusal says so but no look finds the effect.
    retries: int = 3
    # The statuses that mean success although the answer has no result.
    done: tuple[int, ...] = ()
    # After a refusal, the read that tells how things are now, for the error's details.
    explain: MayAsk = lambda _: None
    # Which refusals need that read.
    needs_explaining: Callable[[int, Any], bool] = lambda _status, _data: True
    # What the error's details say, from the answer to `explain`.
    state_of: Callable[[Any], Result] = lambda _: {}
    # A newer write for the same target replaces queued ones of this kind: `all` of them, or those
    # whose arguments are all `given` in the newer one too.
    overwrites: Literal["all", "given"] | None = None


def errors_of(data: Any) -> list[str]:
    """The messages of an answer's errors."""
    errors = at(data, "errors")
    found = errors if isinstance(errors, list) else []
    return [text(at(each, "message")) if isinstance(each, dict) else text(each) for each in found]


def mentions(words: str) -> Callable[[int, Any], bool]:
    """Tells whether a refusal has these words, in its message or in one of its errors."""

    def has_words(_status: int, data: Any) -> bool:
        messages = [text(at(data, "message")), *errors_of(data)]
        return any(words in each.casefold() for each in messages)

    return has_words


def number_result(data: Any) -> Result:
    numbers = {name: maybe_number(at(data, name)) for name in ("id", "number")}
    return numbers | {"url": at(data, "html_url")}


def big_number(value: Any) -> int | None:
    """A `fullDatabaseId`, which GraphQL writes as a text of digits."""
    words = text(value)
    return maybe_number(int(words)) if words.isdecimal() and words.isascii() else None


def id_result(data: Any) -> Result:
    return {"id": maybe_number(at(data, "id")), "url": at(data, "html_url")}


def object_result(data: Any) -> Result:
    """The result of a write whose answer is an object of which there is nothing to keep."""
    return {"done": True if maybe_number(at(data, "id")) else None}


def status_result(_data: Any) -> Result:
    """The result of a write that only a status in `done` shows as done."""
    return {"done": None}
