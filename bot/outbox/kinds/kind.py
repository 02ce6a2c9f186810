"""What a kind of write is: a row of the table in `bot.outbox.kinds`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias
from urllib.parse import quote

from bot.comments import markers, replies
from bot.github.payloads import at, text
from bot.github.requests import GRAPHQL, Request
from bot.identity.actors import BOT
from bot.identity.keyring import Keys
from bot.times import SECOND, stamp
from store.engine.transaction import Tx
from store.tables.outbox import WriteRow

# How far before the send a look begins: clocks differ.
MARGIN = 60 * SECOND


@dataclass(frozen=True)
class Sending:
    """A write with what it takes to send it.

    `known`: what the database has for it (`Kind.know`). `prepared`: GitHub's answers to
    `Kind.prepare`, None for what is not there. `before`: the result of the write that it comes
    `after`.
    """

    write: WriteRow
    repository: str
    keys: Keys
    known: dict[str, Any] = field(default_factory=dict)
    before: dict[str, Any] = field(default_factory=dict)
    prepared: tuple[Any, ...] = ()

    @property
    def arguments(self) -> dict[str, Any]:
        found: dict[str, Any] = self.write["arguments"]
        return found

    @property
    def owner(self) -> str:
        return self.repository.partition("/")[0]

    @property
    def marker(self) -> str:
        # An edit leaves the mark of what it edits.
        return markers.write(self.keys, "write", self.arguments.get("mark") or self.write["id"])

    @property
    def body(self) -> str:
        """Our mark, who wrote it, and the text."""
        author = self.arguments.get("author") or self.write["author"]
        body = self.arguments["body"]
        signed = body if author == BOT else replies.with_author(body, author)
        return f"{self.marker}\n{signed}"

    def path(self, template: str) -> str:
        """Filled with the repository and the arguments, each quoted."""
        names = {
            name: quote(str(value), safe="")
            for name, value in {**self.arguments, **self.known}.items()
            if isinstance(value, str | int)
        }
        return template.format_map({**names, "repository": self.repository, "owner": self.owner})

    def pick(self, *names: str) -> dict[str, Any]:
        """Those of the arguments that were given."""
        return {name: self.arguments[name] for name in names if name in self.arguments}

    def since(self) -> str:
        began = self.write["sending_at"] or self.write["queued_at"]
        return stamp(began - MARGIN)[:19] + "Z"

    def is_mine(self, value: Any) -> bool:
        """Whether a comment, issue, review or PR has this write's mark, and a bot for author."""
        mine = markers.Marker("write", self.write["id"])
        author = text(at(value, "user", "login"))
        return mine in markers.find(self.keys, text(at(value, "body")), author)


Result: TypeAlias = dict[str, Any]


def rest(method: str, path: str, body: Callable[[Sending], Any] = lambda _: None) -> "Asking":
    """A request by REST: `path` is filled from the arguments."""
    return lambda sending: Request(method, sending.path(path), body(sending))


def graphql(document: str, variables: Callable[[Sending], dict[str, Any]]) -> "Asking":
    return lambda sending: Request(
        "POST", GRAPHQL, {"query": document, "variables": variables(sending)}
    )


def listed(data: Any) -> list[Any] | None:
    """The entries of a list; None of anything else."""
    return data if isinstance(data, list) else None


def itself(data: Any) -> list[Any] | None:
    """Of a look for one thing."""
    return [data] if isinstance(data, dict) and data else None


def within(name: str) -> Callable[[Any], list[Any] | None]:
    """The entries of a list that stands in an object."""
    return lambda data: listed(at(data, name))


async def nothing(_tx: Tx, _write: WriteRow) -> dict[str, Any]:
    return {}


Asking: TypeAlias = Callable[[Sending], Request]
MayAsk: TypeAlias = Callable[[Sending], Request | None]


@dataclass(frozen=True)
class Kind:
    """A kind of write: its request and what is kept of the answer.

    One without `look` may be sent twice without harm. One with it is looked for, after an
    unknown outcome, before it is sent again.
    """

    # What the App must have been granted, as in app.yml.
    permission: str
    request: Asking
    result: Callable[[Any], Result]
    # GitHub's bucket that it draws on.
    resource: str = "core"
    # GitHub asks for more distance between those that notify people.
    notifies: bool = False
    # What the database knows that the request needs.
    know: Callable[[Tx, WriteRow], Awaitable[dict[str, Any]]] = nothing
    # Reads that have the rest. What the last one asks for must be there, the others' may be not.
    prepare: Callable[[Sending], list[Request]] = lambda _: []
    # Why it may not go out any more, as things are now.
    unless: Callable[[Sending], str | None] = lambda _: None
    # The result, when by these it is seen not to be needed.
    needless: Callable[[Sending], Result | None] = lambda _: None
    # What to list, and its entries, None if it is no such list; the first that `found` accepts is
    # the earlier effect.
    look: MayAsk = lambda _: None
    entries: Callable[[Any], list[Any] | None] = listed
    found: Callable[[Sending, Any], bool] = Sending.is_mine
    # The statuses of that list by which nothing is there.
    absent: tuple[int, ...] = ()
    # GitHub's word that the effect is there already: look, and take it over.
    already: Callable[[int, Any], bool] = lambda _status, _data: False
    # How often to send again, when GitHub says so and shows it nowhere.
    retries: int = 3
    # The statuses by which it is done without an answer that says what was made.
    done: tuple[int, ...] = ()
    # After a refusal, what to ask so that the error can say how things are now.
    explain: MayAsk = lambda _: None
    # Under which name the error tells it, of that answer.
    state_of: Callable[[Any], Result] = lambda _: {}
    # Whether a newer one for the same target makes all older ones needless, or those that give
    # no more arguments than it does.
    overwrites: Literal["all", "given"] | None = None


def errors_of(data: Any) -> list[str]:
    """The messages of an answer's errors."""
    errors = at(data, "errors")
    found = errors if isinstance(errors, list) else []
    return [text(at(each, "message")) if isinstance(each, dict) else text(each) for each in found]


def says(words: str) -> Callable[[int, Any], bool]:
    """Whether a refusal has these words, in its message or an error's."""

    def said(_status: int, data: Any) -> bool:
        messages = [text(at(data, "message")), *errors_of(data)]
        return any(words in each.casefold() for each in messages)

    return said


def numbered(data: Any) -> Result:
    return {"id": at(data, "id"), "number": at(data, "number"), "url": at(data, "html_url")}


def made(data: Any) -> Result:
    return {"id": at(data, "id"), "url": at(data, "html_url")}


def did(_data: Any) -> Result:
    """Of an answer that says nothing more."""
    return {"done": True}
