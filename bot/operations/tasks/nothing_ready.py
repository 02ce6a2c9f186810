"""Why a claim found no task, and what the agent can do then."""

from dataclasses import replace

from pydantic import BaseModel, Field

from bot.kernel.operation import Context
from bot.messages import unconfirmed_claims
from bot.tasks.capabilities import met_by, missing_capabilities
from store.tasks import ready
from store.tasks.ready import Wanted

# How many unsuitable ready tasks a refusal looks at, to name the missing capabilities.
LACKING = 50


class NothingReady(BaseModel):
    message: str
    lacking: list[str] = Field([], description="capabilities that the ready tasks need")
    events_cursor: str = Field(description="pass it to wait_for_events as `cursor`")


async def explanation(
    ctx: Context, wanted: Wanted, has: list[str] | None, events_cursor: str
) -> NothingReady:
    """Why there is none: missing capabilities, or how many tasks the filters leave out."""
    here = (ctx.tx, ctx.installation_id, ctx.actor.name)
    fitting = await ready.candidates(*here, wanted, None, LACKING) if has is not None else []
    missing = sorted(
        {each for row in fitting for each in missing_capabilities(has or (), row["capabilities"])}
    )
    why = (
        "Each task is ended, claimed, on hold, blocked, reserved, stopped by a cap on spend, or "
        "has no issue number yet"
    )
    if missing:
        why = (
            f"The ready tasks need capabilities that you have not registered: {', '.join(missing)}"
        )
    elif wanted != (every := _without_filters(wanted)):
        others = replace(every, met=None if has is None else met_by(has))
        if found := len(await ready.candidates(*here, others, None, LACKING)):
            why = _other_ready(found)
    return NothingReady(
        message=f"No ready task for you. {why}. explain_task explains one task. wait_for_events "
        "with `topics` tasks and `events_cursor` as its `cursor` returns when a task becomes "
        f"ready.{await unconfirmed_claims.also_held(ctx.tx, ctx.actor, ctx.now)}",
        lacking=missing,
        events_cursor=events_cursor,
    )


def _without_filters(wanted: Wanted) -> Wanted:
    return Wanted(repositories=wanted.repositories, roles_above=wanted.roles_above)


def _other_ready(n: int) -> str:
    """How many ready tasks do not match the filters. The count stops at LACKING."""
    many = (
        "1 ready task does" if n == 1 else f"{n}{' or more' if n == LACKING else ''} ready tasks do"
    )
    return f"{many} not match your filters: leave out `repository`, `label`, `capability`, `size`"
