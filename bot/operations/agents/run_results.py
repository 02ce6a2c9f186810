"""The result of an agent run: what its agent reported, and what it did on GitHub."""

from bot.errors import Refused
from bot.kernel.operation import Context
from bot.operations.agents.run_views import RunResult, brief
from bot.operations.github import clean_texts
from bot.runs import steps
from bot.runs.states import ENDS
from store.outbox import write_history
from store.runs import runs
from store.tables.runs import AgentRunRow, RunOutcome

# Pull requests and commits that an answer names: the newest.
MOST_WRITES = 50
# Writes that make a commit; a pull request makes its number known.
REPORTED = "agent.run_reported"
COMMIT, PULL = "commit", "pull"


async def result_view(ctx: Context, row: AgentRunRow) -> RunResult:
    done = await write_history.newest_sent(
        ctx.tx, ctx.installation_id, row["agent_id"], (COMMIT, PULL), MOST_WRITES
    )
    commits = [each["result"] or {} for each in done if each["kind"] == COMMIT]
    pulls = [each["result"] or {} for each in done if each["kind"] == PULL]
    (known,) = await brief(ctx, [row])
    return RunResult(
        run_id=row["id"],
        agent_id=row["agent_id"],
        state=row["state"],
        why=row["why"],
        outcome=row["outcome"],
        is_final=bool(row["result_is_final"]) or row["state"] in ENDS,
        result=row["result"],
        task=known.task,
        pull_requests=[each["number"] for each in pulls if each.get("number")],
        commits=[each["head"] for each in commits if each.get("head")],
    )


async def store_result(
    ctx: Context, agent_id: str, result: str | None, outcome: RunOutcome | None
) -> list[str]:
    """Store what the agent of a run reports. Return what was changed in the text. Raise Refused.

    Without an outcome it is a part of the result, and a later report replaces it.
    """
    own = await runs.of_agent(ctx.tx, ctx.installation_id, agent_id)
    run = own and await runs.lock(ctx.tx, ctx.installation_id, own["id"])
    if run is None:
        raise Refused(
            "invalid_arguments",
            f"{agent_id} is not an agent run, so it has no `result` and `outcome`. Report about a "
            "task with update_task_status.",
        )
    texts, cleaned = clean_texts.for_card({"result": result})
    columns = {"outcome": outcome, "result_is_final": int(outcome is not None)}
    text = {"result": texts["result"]} if result is not None else {}
    if not run["result_is_final"] or outcome is not None:
        changed = await runs.change(ctx.tx, run, **(columns | text))
        await steps.append(ctx.tx, changed, REPORTED, agent_id)
    return cleaned
