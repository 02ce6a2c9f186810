"""Which tasks and repositories an actor reaches, and whether it holds a task."""

from bot.errors import Refused
from bot.kernel import remedies
from bot.kernel.operation import Context
from bot.kernel.sentences import with_full_stop
from bot.repository import narrowing
from bot.tasks import eligibility, lookup
from bot.tasks.states import OPEN
from store.mirror import stored_repositories
from store.tables.mirror import RepositoryRow
from store.tables.tasks import CONFIRMED
from store.tasks import leases
from store.tasks.tasks import FullTask


async def visible_task(ctx: Context, ref: str, *, lock: bool = False) -> FullTask:
    """A task within the actor's reach; to change it, lock it. Raise Refused."""
    row = await lookup.find(
        ctx.tx,
        ctx.installation_id,
        ref,
        for_person=ctx.actor.is_person,
        reach=ctx.actor.known_repositories,
        lock=lock,
    )
    check_role(ctx, row["repository_id"], row["full_name"])
    await narrowing.check(ctx, row["repository_id"], row["full_name"])
    return row


async def visible_repository(ctx: Context, full_name: str) -> RepositoryRow:
    """A repository within the actor's reach. Raise Refused."""
    here = (ctx.tx, ctx.installation_id)
    row = await stored_repositories.repository(*here, full_name, ctx.actor.known_repositories)
    if row is None:
        raise lookup.unknown_repository(full_name)
    check_role(ctx, row["id"], row["full_name"])
    await narrowing.check(ctx, row["id"], row["full_name"])
    return row


def check_role(ctx: Context, repository_id: int, full_name: str) -> None:
    """Raise Refused if a person may know of the repository and has too low a role there."""
    roles = ctx.actor.roles or {}
    if repository_id in roles and not ctx.actor.may(ctx.needed_role, repository_id):
        raise Refused(
            "forbidden",
            f"This needs the role {ctx.needed_role} in {full_name}, and {ctx.actor.name} has "
            f"{roles[repository_id]} there.",
            action=ctx.operation,
            condition="any",
            needs=ctx.needed_role,
            has=roles[repository_id],
        )


async def held_task(
    ctx: Context, ref: str, fence: int | None, *, even_on_hold: bool = False
) -> FullTask:
    """A task that the actor holds with this fence. Raise Refused.

    `bot.operations.tasks.holds` says what its holder may do on hold (`even_on_hold`).
    """
    row = await visible_task(ctx, ref, lock=True)
    await check_held(ctx, row, fence, even_on_hold=even_on_hold)
    return row


async def check_held(
    ctx: Context, row: FullTask, fence: int | None, *, even_on_hold: bool = False
) -> None:
    """Raise Refused unless the actor holds the locked task, as `held_task` does."""
    holder = None if leases.is_expired(row, ctx.now) else row["holder"]
    if holder != ctx.actor.name:
        code = "stale_fence" if fence is not None and fence <= row["fence"] else "not_holder"
        now = f"{holder} holds it now" if holder else f"nobody holds it now, {_why_free(ctx, row)}"
        raise Refused(
            code,
            f"You do not hold {lookup.name(row)}: {now}. Nothing was changed.",
            holder=holder,
            fence=row["fence"],
        )
    if not ctx.actor.is_person and fence is None:
        raise Refused(
            "invalid_arguments",
            f"Pass `fence`: claim_task and get_task return it for {lookup.name(row)}.",
        )
    check_fence(ctx, row, fence)
    if fence is not None and row["lease_id"] and row["known"] != CONFIRMED:
        await leases.confirm(ctx.tx, ctx.installation_id, row["lease_id"])
    if row["held"] and not even_on_hold and not ctx.actor.is_person:
        raise on_hold_error(ctx, row)


def _why_free(ctx: Context, row: FullTask) -> str:
    if row["state"] not in OPEN:
        return f"and it is {row['state']}"
    if row["held"]:
        return "and it is on hold"
    how = remedies.by(ctx.actor, person="`/claim`", developer="claim_task", agent="somebody")
    return f"so {how} can take it again"


def check_fence(ctx: Context, row: FullTask, fence: int | None) -> None:
    """Raise Refused unless the fence is that of the lease. None needs no check."""
    if fence is None or fence == row["fence"]:
        return
    whose, remedy = f"{row['holder']}'s lease" if row["holder"] else "its last lease", ""
    if row["holder"] == ctx.actor.name:
        whose, remedy = "your lease", "Pass that, if the claim was yours. "
    raise Refused(
        "stale_fence",
        f"Fence {fence} is wrong: {whose} on {lookup.name(row)} has fence {row['fence']}. "
        f"{remedy}Nothing was changed.",
        holder=row["holder"],
        fence=row["fence"],
    )


def is_holder(ctx: Context, row: FullTask) -> bool:
    """Whether the actor has the task's lease, and it has not expired."""
    return row["holder"] == ctx.actor.name and not leases.is_expired(row, ctx.now)


def on_hold_error(ctx: Context, row: FullTask) -> Refused:
    why = f": {row['held_why']}" if row["held_why"] else ""
    what = f"{row['held_by'] or 'A person'} put {lookup.name(row)} on hold{why}"
    if is_holder(ctx, row):
        remedy = (
            "You keep your lease, and may comment, send messages, call release_task, or pass a "
            f"`question` or `note` with `status` {row['state']}. The rest must wait until the hold "
            "ends."
        )
    else:
        remedy = f"What you can do: {eligibility.end_of_hold(ctx.actor, row)}."
    return Refused(
        "on_hold",
        f"{with_full_stop(what)} {remedy} Nothing was changed.",
        held_by=row["held_by"],
    )
