"""One visit to a page: who looks, in which account, and what they ask of the operations."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias
from urllib.parse import quote, urlencode

from aiohttp import web

from bot.dispatch.callers import Caller
from bot.identity import permissions
from bot.identity.actors import Actor
from bot.identity.people import visitors
from bot.identity.people.visitors import Visitor
from bot.kernel.operation import Answer
from bot.tenants import own_settings
from bot.tenants.look import Look
from store.engine import sequences
from store.engine.transaction import Tx
from webhooks import cookies, login
from webhooks.addresses import ADDRESSES
from webhooks.app_keys import DISPATCHER
from webhooks.login import LOGIN, SESSION
from webhooks.origins import caller_of, origin_of

ACCOUNTS = "/accounts"
# Each page in the menu: its path, its title, and the operation that it needs, if any.
Menu: TypeAlias = Sequence[tuple[str, str, str]]
# Where people see issues, if no other address is in the settings of the login.
GITHUB = "https://github.com"
# Characters of one value in an address. Nothing that a page asks for is longer.
LONGEST_VALUE = 2000


class NoAccount(Exception):
    """The visitor has no role in the account, or it does not exist: both look alike."""


@dataclass(frozen=True)
class Visit:
    """`now`: microseconds UTC, when the visitor was looked up; `head`: the newest event then."""

    request: web.Request
    visitor: Visitor
    actor: Actor
    account: str
    now: int
    head: int
    look: Look

    async def call(self, operation: str, **arguments: Any) -> Any:
        """The answer of an operation, called as the visitor. Raise Refused.

        Arguments that are None or empty are left out, as a form sends its empty fields.
        """
        given = {name: each for name, each in arguments.items() if each not in (None, "")}
        return (await self._reply(operation, given)).answer

    async def _reply(
        self,
        operation: str,
        given: dict[str, Any],
        key: str | None = None,
        agreed: str | None = None,
    ) -> Any:
        dispatcher = self.request.app[DISPATCHER]
        return await dispatcher.reply(self.actor, operation, given, key, self.caller, agreed)

    async def run(
        self, operation: str, given: dict[str, Any], key: str, agreed: str | None
    ) -> Answer:
        """Run an operation that changes something, once for its key. Raise Refused.

        `agreed`: the digest of the effects that the preview showed, if there was one.
        """
        answer: Answer = (await self._reply(operation, given, key, agreed)).answer
        return answer

    def may(self, operation: str) -> bool:
        """Whether the visitor may call the operation at all; it may still be refused."""
        return permissions.may_call(self.actor, operation)

    @property
    def caller(self) -> Caller:
        caller = caller_of(self.request)
        return replace(caller, origin=origin_of(self.request, "page"))

    def value(self, name: str, default: str = "") -> str:
        """A value of the address's query."""
        return self.request.query.get(name, default)[:LONGEST_VALUE].strip()

    def part(self, name: str) -> str:
        """A variable part of the address's path."""
        return self.request.match_info[name]

    def link(self, path: str = "", **query: Any) -> str:
        """The address of a page of this account."""
        return self.link_in(self.account, path, **query)

    def link_in(self, account: str, path: str = "", **query: Any) -> str:
        """The address of the page of another account."""
        base = f"{self.prefix}{ACCOUNTS}/{quote(account)}"
        return with_query(f"{base}/{quote(path)}" if path else base, query)

    def here(self, **changed: Any) -> str:
        """The address of this page, with some values of its query changed; None drops one."""
        query = {**self.request.query, **changed}
        return with_query(self.prefix + self.request.rel_url.raw_path, query)

    def task_link(self, task: str, **query: Any) -> str:
        """The address of a task's page. `task`: owner/repo#12 or its id."""
        return self.link(f"tasks/{task.replace('#', '/')}", **query)

    def github_url(self, repository: str, number: int) -> str:
        """The address of an issue or pull request on GitHub."""
        return f"{self._github}/{quote(repository)}/issues/{number}"

    def is_on_github(self, url: str | None) -> bool:
        """Whether the address is one of GitHub, so that the page may link to it."""
        return url is not None and url.startswith((f"{self._github}/", f"{GITHUB}/"))

    @property
    def _github(self) -> str:
        app = self.request.app[LOGIN].app
        return app.web_url if app else GITHUB

    @property
    def prefix(self) -> str:
        return self.request.app[ADDRESSES].path_prefix()


def with_query(path: str, query: dict[str, Any]) -> str:
    kept = {name: str(each) for name, each in query.items() if each not in (None, "")}
    return f"{path}?{urlencode(kept)}" if kept else path


async def visitor_of(request: web.Request) -> Visitor | None:
    """Who is logged in in this browser: a person, or the operator by a one-time link."""
    here, cookie = request.app[LOGIN], cookies.get(request, SESSION)
    if not cookie:
        return None
    await login.signed_in(request)  # GitHub is asked again for what it said some time ago
    return await here.store.read(lambda tx: visitors.find(tx, here.keys, cookie))


async def open_visit(request: web.Request) -> Visit:
    """Raise HTTPSeeOther for a browser without a login, or NoAccount."""
    visitor = await visitor_of(request)
    if visitor is None:
        raise web.HTTPSeeOther(sign_in_address(request))
    account = request.match_info["account"]

    async def find(tx: Tx) -> tuple[Actor, int, int, Look]:
        actor = await visitors.actor_in(tx, visitor, account)
        if actor is None:
            raise NoAccount(account)
        i = actor.installation_id
        head = (await sequences.of(tx, [i])).get(i, 0)
        return actor, await tx.now(), head, await own_settings.look_of(tx, i)

    actor, now, head, look = await request.app[LOGIN].store.read(find)
    name = next(n for n, i in visitor.accounts.items() if i == actor.installation_id)
    return Visit(request, visitor, actor, name, now, head, look)


def sign_in_address(request: web.Request) -> str:
    """The page that says how to sign in, and then leads back to the page that was asked for."""
    prefix = request.app[ADDRESSES].path_prefix()
    wanted = request.path_qs if request.method == "GET" else ""
    return with_query(f"{prefix}/sign-in", {"return_to": wanted and prefix + wanted})
