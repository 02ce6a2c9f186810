"""Foreign trackers: what people connect, pause, remove and see."""

import re
from functools import partial
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from bot.errors import Refused
from bot.kernel.operation import Context, RepositoryName, operation
from bot.kernel.outside import Outside, OutsideCall
from bot.operations.manage_checks import check_leads_all
from bot.operations.trackers.views import (
    OneTracker,
    TrackerInFull,
    Trackers,
    all_views,
    existing,
    in_full,
    one_view,
)
from bot.protocols.outgoing import Outgoing
from bot.trackers import connection, gitlab
from bot.trackers.client import Client, Unreachable
from bot.trackers.foreign import Account
from store.engine import ids
from store.mirror import stored_repositories
from store.tables.trackers import TrackerRow
from store.trackers import trackers

NAME = re.compile(r"[a-z][a-z0-9-]{0,29}")
TrackerName: TypeAlias = Annotated[str, Field(max_length=60, description="the tracker's name")]
# Two requests.
TIMEOUT_S = 40.0
WHAT_CHANGES = (
    "Only the token can change: pass `secret` and nothing else. For another project, remove the "
    "tracker and add it again."
)


@operation(reads_only=True)
async def list_trackers(ctx: Context) -> Trackers:
    """List the foreign trackers whose issues become tasks, and how each is."""
    _check_sees_all(ctx)
    return Trackers(trackers=await all_views(ctx))


@operation(reads_only=True)
async def get_tracker(ctx: Context, tracker: TrackerName) -> TrackerInFull:
    """Return a foreign tracker: its issues, their tasks, and the reports."""
    _check_sees_all(ctx)
    return await in_full(ctx, await existing(ctx, tracker))


@operation()
async def manage_tracker(
    ctx: Context,
    tracker: TrackerName,
    action: Annotated[
        Literal["add", "change", "remove", "pause", "resume", "poll"],
        Field(description="what to do with it"),
    ],
    url: Annotated[
        str | None, Field(max_length=900, description="with add: such as https://gitlab.com")
    ] = None,
    project: Annotated[
        str | None, Field(max_length=255, description="with add: such as group/project")
    ] = None,
    repository: Annotated[
        RepositoryName | None, Field(description="with add: where its issues become tasks")
    ] = None,
    secret: Annotated[
        str | None, Field(max_length=500, repr=False, description="its access token; never shown")
    ] = None,
) -> OneTracker | OutsideCall[Account | str]:
    """Add, change, remove, pause, resume or poll a foreign tracker."""
    _check_sees_all(ctx)
    if action == "add":
        return await _add(ctx, tracker, url, project, repository, secret)
    row = await existing(ctx, tracker)
    if action == "change":
        if secret is None or (url, project, repository) != (None, None, None):
            raise Refused("invalid_arguments", WHAT_CHANGES)
        return _change(ctx, row, secret)
    if (url, project, repository, secret) != (None, None, None, None):
        raise Refused("invalid_arguments", f"{action} takes no other argument than `tracker`.")
    if action == "remove":
        await trackers.remove(ctx.tx, ctx.installation_id, row["id"])
        return OneTracker(tracker=None)
    await _switch(ctx, row, action)
    return OneTracker(tracker=await one_view(ctx, tracker))


async def _switch(ctx: Context, row: TrackerRow, action: str) -> None:
    """Pause it, let it go on, or read now."""
    here = (ctx.tx, ctx.installation_id, row["id"])
    if action == "pause":
        version = row["version"] + 1
        await trackers.change(*here, state="paused", due_at=None, taken_until=0, version=version)
        return
    if action == "poll" and row["state"] == "paused":
        raise Refused("invalid_arguments", f"{row['name']} is paused. Resume it first.")
    await trackers.change(
        *here,
        state="running",
        limited_until=0,
        due_at=ctx.now,
        poll_at=ctx.now,
        sweep_at=ctx.now,
    )


async def _add(
    ctx: Context,
    name: str,
    url: str | None,
    project: str | None,
    repository: str | None,
    secret: str | None,
) -> OutsideCall[Account | str]:
    """Raise Refused."""
    if not NAME.fullmatch(name):
        why = "pass a name of small letters, digits and -, at most 30 characters"
        raise Refused("invalid_arguments", f"`tracker`: {why}.")
    if not (url and project and repository and secret):
        raise Refused("invalid_arguments", "Pass `url`, `project`, `repository` and `secret`.")
    address = connection.checked_url(url, ctx.shared.trusted_origins)
    where = await stored_repositories.repository(ctx.tx, ctx.installation_id, repository)
    if where is None:
        raise Refused("unknown_repository", f"There is no repository {repository!r} here.")
    await _check_is_free(ctx, name)
    client = _client(ctx, address, secret)
    save = partial(_save_new, name=name, url=address, repository_id=where["id"], secret=secret)
    return OutsideCall(partial(_look, client=client, project=project), save, TIMEOUT_S)


def _change(ctx: Context, row: TrackerRow, secret: str) -> OutsideCall[Account | str]:
    """Raise Refused."""
    client = _client(ctx, row["url"], secret)
    save = partial(_save_token, row=row, secret=secret)
    return OutsideCall(partial(_look, client=client, project=row["project"]), save, TIMEOUT_S)


def _client(ctx: Context, url: str, secret: str) -> Client:
    """Raise Refused."""
    if not connection.TOKEN.fullmatch(secret):
        raise Refused(
            "invalid_arguments",
            "`secret`: it must have 8 to 500 characters of ASCII, without spaces.",
        )
    return Client(url, secret, Outgoing(ctx.shared.trusted_origins))


async def _look(_outside: Outside, client: Client, project: str) -> Account | str:
    """Who the token is, and the project; or why that is not known."""
    try:
        user = await client.ask(gitlab.Ask("GET", gitlab.USER))
        if user.status != 200:
            return f"It answered {user.status} to the token. It needs the scope api."
        found = await client.ask(gitlab.Ask("GET", gitlab.project_path(project)))
        if found.status != 200:
            return f"It answered {found.status} for the project {project!r}."
        return gitlab.account(user.data, found.data)
    except Unreachable as exc:
        return f"{exc.why[:1].upper()}{exc.why[1:].rstrip('.')}."
    except gitlab.WrongShape as exc:
        return f"Its answer is not GitLab's: {exc}."


def _usable(found: Account | str) -> Account:
    """Raise Refused."""
    if isinstance(found, Account):
        return found
    raise Refused("tracker_unavailable", f"Nothing was changed. {found}")


async def _save_new(
    ctx: Context, found: Account | str, name: str, url: str, repository_id: int, secret: str
) -> OneTracker:
    account = _usable(found)
    await _check_is_free(ctx, name)
    tracker_id = ids.new("x", ctx.now)
    row: TrackerRow = {
        "installation_id": ctx.installation_id,
        "id": tracker_id,
        "name": name,
        "kind": "gitlab",
        "url": url,
        "project": account.project,
        "project_name": account.project_name,
        "repository_id": repository_id,
        "sealed": connection.seal(ctx.shared.keys, ctx.installation_id, tracker_id, secret),
        "user_id": account.user_id,
        "state": "running",
        "version": 1,
        "health": "connected",
        "health_why": None,
        "failures": 0,
        "cursor_at": None,
        "cursor_page": 0,
        "sweep": 0,
        "sweep_page": 0,
        "sweep_at": ctx.now,
        "etag": None,
        "rules": None,
        "seq": ctx.state["head"],
        "poll_at": ctx.now,
        "due_at": ctx.now,
        "taken_until": 0,
        "limited_until": 0,
        "report_at": 0,
        "last_poll_at": None,
        "last_failure_at": None,
        "created_by": ctx.actor.name[:120],
        "created_at": ctx.now,
        "updated_at": ctx.now,
    }
    await trackers.add(ctx.tx, row)
    return OneTracker(tracker=await one_view(ctx, name))


async def _save_token(
    ctx: Context, found: Account | str, row: TrackerRow, secret: str
) -> OneTracker:
    account = _usable(found)
    stored = await existing(ctx, row["name"])
    if (stored["id"], stored["version"]) != (row["id"], row["version"]):
        raise Refused("invalid_arguments", f"{row['name']} was changed meanwhile. Try again.")
    sealed = connection.seal(ctx.shared.keys, ctx.installation_id, row["id"], secret)
    await trackers.change(
        ctx.tx,
        ctx.installation_id,
        row["id"],
        sealed=sealed,
        user_id=account.user_id,
        version=row["version"] + 1,
        taken_until=0,
        limited_until=0,
        health="connected",
        health_why=None,
        failures=0,
    )
    return OneTracker(tracker=await one_view(ctx, row["name"]))


async def _check_is_free(ctx: Context, name: str) -> None:
    """Raise Refused."""
    found = await trackers.all_of(ctx.tx, ctx.installation_id)
    if any(each["name"] == name for each in found):
        raise Refused(
            "invalid_arguments", f"There is a tracker {name!r} already. Choose another name."
        )
    if len(found) >= trackers.MOST:
        raise Refused(
            "too_many",
            f"This installation has {trackers.MOST} trackers, which is the limit. Remove one.",
            most=trackers.MOST,
        )


def _check_sees_all(ctx: Context) -> None:
    """Its token works in Hubbub's name. Raise Refused."""
    check_leads_all(ctx, "see and change foreign trackers")
