"""Fields of an issue as GitHub takes them: its state, labels, assignees and milestone."""

from bot.errors import Refused
from bot.kernel import remedies
from bot.kernel.operation import Context
from store.agents import agents
from store.mirror import label_names, people
from store.tables.mirror import RepositoryRow

# An error names no more of the labels or milestones that there are.
MOST_NAMED = 50


def state_fields(state: str | None) -> dict[str, str]:
    if state is None:
        return {}
    if state == "open":
        return {"state": "open", "state_reason": "reopened"}
    return {"state": "closed", "state_reason": state}


def list_change(
    now: list[str], wanted: list[str], waiting: list[dict[str, list[str]]]
) -> dict[str, list[str]]:
    """The names to add and remove, so that a change by others in the meantime stays.

    GitHub ignores case. `waiting` are queued changes, which may or may not go out before this one.
    """
    may_come = [*now, *(name for each in waiting for name in each["add"])]
    may_go = {name.casefold() for each in waiting for name in each["remove"]}
    present, kept = {each.casefold() for each in now}, {each.casefold() for each in wanted}
    return {
        "add": [
            each for each in wanted if each.casefold() not in present or each.casefold() in may_go
        ],
        "remove": list(dict.fromkeys(each for each in may_come if each.casefold() not in kept)),
    }


CREATE_LABELS = "Pass `create_labels` true to create it"


async def check_labels(
    ctx: Context, where: RepositoryRow, labels: list[str], remedy: str = CREATE_LABELS
) -> None:
    """Raise Refused for a label that the repository lacks: GitHub would create it."""
    known = await label_names.labels(ctx.tx, ctx.installation_id, where["id"])
    unknown = [each for each in labels if each.casefold() not in known]
    if known and unknown:
        raise Refused(
            "invalid_arguments",
            f"{where['full_name']} has no label {unknown[0]!r}. It has: "
            f"{', '.join(sorted(known.values())[:MOST_NAMED])}. {remedy}.",
            unknown=unknown,
        )


async def check_assignees(ctx: Context, logins: list[str]) -> None:
    """Raise Refused for the id of an agent, unless a person is known by this login."""
    here = (ctx.tx, ctx.installation_id)
    for each in logins:
        agent = await agents.get(*here, each.removeprefix("@").casefold())
        if agent is None or agent["left_at"] or await people.with_login(*here, each):
            continue
        how = remedies.by(
            ctx.actor,
            person="Reserve the task for it with `/assign`.",
            lead="Reserve the task for it with assign_task.",
            agent="Ask a tech-lead to reserve the task for it.",
        )
        raise Refused(
            "invalid_arguments", f"{each} is an agent, and GitHub assigns issues to people. {how}"
        )


async def milestone_number(ctx: Context, where: RepositoryRow, title: str) -> int:
    """The number of an open milestone. Raise Refused."""
    known = await label_names.milestones(ctx.tx, ctx.installation_id, where["id"])
    if title not in known:
        raise Refused(
            "invalid_arguments",
            f"{where['full_name']} has no open milestone {title!r}. It has: "
            f"{', '.join(sorted(known)[:MOST_NAMED]) or 'none'}.",
        )
    return known[title]
