"""Every kind of read: where to look on GitHub, and what the answer means for the mirror."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import quote

from bot import mirror, payloads, tasks
from bot.events import Changes
from bot.keys import Keys
from bot.payloads import Json, Mirrored, at
from store import commands, permissions
from store import mirror as stored
from store.transaction import Row, Tx


@dataclass(frozen=True)
class Reading:
    """A read with its answer. `read_at`: when the request went out, microseconds."""

    installation_id: int
    arguments: Row
    data: Json
    read_at: int
    # Whether a list was read to its end: what it lacks is gone only then.
    whole: bool = True

    @property
    def here(self) -> tuple[int, int]:
        return self.installation_id, self.arguments["repository_id"]

    @property
    def listed(self) -> list[Json]:
        return self.data if isinstance(self.data, list) else []


Apply: TypeAlias = Callable[[Tx, Keys, Reading], Awaitable[None]]


@dataclass(frozen=True)
class Kind:
    """`path` takes the arguments, and goes below the repository's unless it starts with `/`.

    `permission`: what the App must have been granted, as in app.yml.
    """

    permission: str
    path: Callable[[Row], str]
    apply: Apply
    # The answer is a list, or has one under `items`.
    lists: bool = False
    items: str | None = None


def rows(
    make: Callable[[Reading], list[Mirrored]],
) -> Callable[[Tx, Keys, Reading], Awaitable[None]]:
    """Apply an answer that is nothing but rows."""

    async def apply(tx: Tx, keys: Keys, reading: Reading) -> None:
        changes = Changes(tuple(make(reading)))
        await mirror.apply(tx, keys, reading.installation_id, changes)

    return apply


def _issue(r: Reading) -> list[Mirrored]:
    return [payloads.issue(*r.here, r.data, read_at=r.read_at)]


def _comment(r: Reading) -> list[Mirrored]:
    return [payloads.comment(*r.here, r.arguments["number"], r.data, read_at=r.read_at)]


def _pull_request(r: Reading) -> list[Mirrored]:
    return [payloads.pull_request(*r.here, r.data, read_at=r.read_at)]


def _reviews(r: Reading) -> list[Mirrored]:
    number = r.arguments["number"]
    return [payloads.review(*r.here, number, each, read_at=r.read_at) for each in r.listed]


def _review_comments(r: Reading) -> list[Mirrored]:
    return [
        payloads.review_comment(*r.here, int(number), each, read_at=r.read_at)
        for each in r.listed
        if (number := payloads.text(at(each, "pull_request_url")).rpartition("/")[2]).isdecimal()
    ]


def _milestones(r: Reading) -> list[Mirrored]:
    return [payloads.milestone(*r.here, each, read_at=r.read_at) for each in r.listed]


def _repository(r: Reading) -> list[Mirrored]:
    return [payloads.repository(r.installation_id, r.data, read_at=r.read_at)]


def _installation(r: Reading) -> list[Mirrored]:
    return [payloads.installation(r.data, read_at=r.read_at)]


async def _labels(tx: Tx, keys: Keys, r: Reading) -> None:
    found = [payloads.label(*r.here, each, read_at=r.read_at) for each in r.listed]
    await rows(lambda _: found)(tx, keys, r)
    if not r.whole:
        return
    there = {each.row["id"] for each in found}
    for label_id in await stored.label_ids(tx, *r.here):
        if label_id not in there:
            await stored.hide_label(tx, r.installation_id, label_id, r.read_at)


async def _installation_repositories(tx: Tx, keys: Keys, r: Reading) -> None:
    found = [payloads.repository(r.installation_id, each, read_at=r.read_at) for each in r.listed]
    await rows(lambda _: found)(tx, keys, r)
    if not r.whole:
        return
    there = {each.row["id"] for each in found}
    for repository_id in await stored.repository_ids(tx, r.installation_id):
        on = int(repository_id in there)
        await stored.select_repository(tx, r.installation_id, repository_id, on)


async def _permission(tx: Tx, _: Keys, r: Reading) -> None:
    # `role_name` tells triage from read and maintain from write; custom roles have `permission`.
    role = payloads.text(at(r.data, "role_name"), 40)
    known = ("admin", "maintain", "write", "triage", "read")
    held = role if role in known else payloads.text(at(r.data, "permission"), 40)
    await permissions.put(tx, *r.here, r.arguments["login"], held or "none")
    await commands.wake(tx, *r.here)


def _login(arguments: Row) -> str:
    return quote(arguments["login"], safe="")


KINDS: dict[str, Kind] = {
    "permission": Kind(
        "metadata: read", lambda a: f"collaborators/{_login(a)}/permission", _permission
    ),
    "issue": Kind("issues: read", lambda a: f"issues/{a['number']}", rows(_issue)),
    "comment": Kind("issues: read", lambda a: f"issues/comments/{a['which']}", rows(_comment)),
    "pull_request": Kind(
        "pull_requests: read", lambda a: f"pulls/{a['number']}", rows(_pull_request)
    ),
    "reviews": Kind(
        "pull_requests: read",
        lambda a: f"pulls/{a['number']}/reviews?per_page=100",
        rows(_reviews),
        lists=True,
    ),
    "review_comments": Kind(
        "pull_requests: read",
        lambda _: "pulls/comments?sort=updated&direction=desc&per_page=100",
        rows(_review_comments),
        lists=True,
    ),
    "labels": Kind("issues: read", lambda _: "labels?per_page=100", _labels, lists=True),
    "milestones": Kind(
        "issues: read", lambda _: "milestones?state=all&per_page=100", rows(_milestones), lists=True
    ),
    "repository": Kind(
        "metadata: read", lambda a: f"/repositories/{a['repository_id']}", rows(_repository)
    ),
    "installation": Kind(
        "metadata: read",
        lambda a: f"/app/installations/{a['installation_id']}",
        rows(_installation),
    ),
    "installation_repositories": Kind(
        "metadata: read",
        lambda _: "/installation/repositories?per_page=100",
        _installation_repositories,
        lists=True,
        items="repositories",
    ),
}


async def gone(tx: Tx, read: Row, status: int) -> None:
    """GitHub answered 404 or 410."""
    arguments: dict[str, Any] = read["arguments"]
    here = (read["installation_id"], arguments.get("repository_id", 0))
    if read["kind"] == "permission":
        await permissions.put(tx, *here, arguments["login"], "none")
        await commands.wake(tx, *here)
        return
    if read["kind"] != "issue" or status != 410:
        return  # a 404 may as well mean that the App may not see it now
    if row := await stored.issue(tx, *here, arguments["number"]):
        await stored.bury(tx, "issues", read["installation_id"], row["id"])
        await tasks.issue_changed(tx, row | {"deleted": 1}, row)
