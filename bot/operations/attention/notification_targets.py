"""Where people get notifications: what tech-leads see and change of it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from bot.errors import Refused
from bot.kernel.operation import Answer, Context, operation
from bot.notifications import trials
from bot.operations.manage_checks import check_leads_all
from bot.times import stamp
from store.notifications import notifications, targets
from store.tables.notifications import NotificationTargetRow

TargetId = Annotated[str, Field(max_length=60, description="the target's id or name")]


class TargetView(BaseModel):
    id: str
    name: str
    kind: str = Field(description="webhook, slack, discord, teams or mail")
    address: str = Field(description="the host; the mail addresses")
    state: str = Field(description="active, paused or stopped")
    why: str | None = Field(None, description="why it is stopped, or the last attempt failed")
    rules: dict[str, Any]
    created_at: str
    created_by: str
    last_sent_at: str | None = None


class Targets(Answer):
    of_mirror = False

    targets: list[TargetView]


@operation(reads_only=True)
async def list_notification_targets(ctx: Context) -> Targets:
    """List where notifications about what needs a person go."""
    _check_sees_all(ctx)
    rows = await targets.all_of(ctx.tx, ctx.installation_id)
    return Targets(targets=[await _view(ctx, row) for row in rows])


@operation()
async def manage_notification_target(
    ctx: Context,
    target: TargetId,
    action: Annotated[
        Literal["pause", "resume", "test", "remove"], Field(description="what to do with it")
    ],
) -> Targets:
    """Pause, resume, test or remove a target of notifications."""
    _check_sees_all(ctx)
    row = await _find(ctx, target)
    here = (ctx.tx, ctx.installation_id, row["id"])
    if action == "remove":
        await targets.remove(*here)
        return Targets(targets=[])
    if action == "test":
        _check_is_active(row)
        await trials.queue(ctx.tx, row)
    else:
        await targets.set_state(*here, "paused" if action == "pause" else "active")
    if action == "pause":
        await notifications.drop_waiting(*here)
    return Targets(targets=[await _view(ctx, await _find(ctx, row["id"]))])


def _check_sees_all(ctx: Context) -> None:
    """A target may be told of all repositories."""
    check_leads_all(ctx, "see and change where notifications go")


def _check_is_active(row: NotificationTargetRow) -> None:
    """Raise Refused."""
    if row["state"] != "active":
        raise Refused("invalid_arguments", f"{row['name']} is {row['state']}. Resume it first.")


async def _find(ctx: Context, named: str) -> NotificationTargetRow:
    """Raise Refused."""
    for row in await targets.all_of(ctx.tx, ctx.installation_id):
        if named in (row["id"], row["name"]):
            return row
    raise Refused(
        "unknown_target",
        f"There is no target {named!r}. Pass the id or the name of one.",
    )


async def _view(ctx: Context, row: NotificationTargetRow) -> TargetView:
    newest = await notifications.newest(ctx.tx, ctx.installation_id, row["id"])
    return TargetView(
        id=row["id"],
        name=row["name"],
        kind=row["kind"],
        address=row["shown"],
        state=row["state"],
        why=row["why"] or newest["error"],
        rules=row["rules"],
        created_at=stamp(row["created_at"]),
        created_by=row["created_by"],
        last_sent_at=stamp(newest["last_sent_at"]) if newest["last_sent_at"] else None,
    )
