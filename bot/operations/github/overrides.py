"""Overriding Hubbub's check on a pull request, which people do by a command."""

from typing import Annotated

from pydantic import Field

from bot.errors import Refused
from bot.kernel import event_recorder
from bot.kernel.operation import Answer, Context, Slash, operation
from bot.operations.arguments import PullRef
from bot.operations.github.targets import pull_of
from bot.pulls import checks, facts, makers, verdict
from bot.repository import repository_settings
from store.mirror import head_checks
from store.outbox import writes
from store.tables.mirror import PullRequestRow

OVERRIDE = Slash("override", "let Hubbub's check on this pull request pass", ("note",))


class Overridden(Answer):
    pull_request: str
    rules: list[str] = Field(description="the rules of the check that do not matter here any more")


@operation(reaches_github=True, slashes=(OVERRIDE,))
async def override_check(
    ctx: Context,
    pull_request: PullRef,
    note: Annotated[str, Field(max_length=500, description="the reason")] = "",
) -> Overridden:
    """Let Hubbub's check on a pull request pass, although it finds something."""
    where, row = await pull_of(ctx, pull_request)
    name = f"{where['full_name']}#{row['number']}"
    before = await head_checks.override(ctx.tx, ctx.installation_id, where["id"], row["number"])
    failing = await _failing(ctx, row)
    if not failing:
        raise Refused(
            "invalid_arguments", f"Hubbub's check does not fail on {name}. Nothing was changed."
        )
    rules = sorted({*failing, *(before["rules"].split() if before else ())})
    await head_checks.put_override(
        ctx.tx,
        {
            "installation_id": ctx.installation_id,
            "repository_id": where["id"],
            "number": row["number"],
            "decided_by": ctx.actor.name,
            "note": note,
            "rules": " ".join(rules),
            "at": ctx.now,
        },
    )
    here = (ctx.installation_id, where["id"])
    await checks.refresh(ctx.tx, *here, row["head_sha"], lane=writes.PEOPLE)
    await _notify(ctx, row)
    return Overridden(pull_request=name, rules=rules)


async def _failing(ctx: Context, row: PullRequestRow) -> tuple[verdict.Rule, ...]:
    """The rules because of which the check fails now."""
    here = (ctx.tx, ctx.installation_id, row["repository_id"])
    settings = (await repository_settings.of(*here)).check
    known = await facts.of(ctx.tx, row, settings) if row["state"] == "open" else None
    if known is None or settings.pulls == "none":
        return ()
    return verdict.verdict(known, settings).failing


async def _notify(ctx: Context, row: PullRequestRow) -> None:
    """Tell those who were told that the check fails."""
    maker = await makers.maker_of(ctx.tx, row)
    data = {"pull": row["number"], "to": maker}
    for task in await facts.tasks_of(ctx.tx, row):
        event = checks.happening("task.pull_allowed", task, ctx.actor.name, data)
        await event_recorder.append(ctx.tx, ctx.installation_id, event)
