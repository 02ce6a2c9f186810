"""The digest of a repository: one comment that lists what needs a person, kept by its settings."""

from bot.background import digest_steps
from bot.comments import digest_text
from bot.comments.digest_text import DigestContent
from bot.repository.settings_file import PATH
from fixtures.github import Issue
from tests.comments.test_card_text import task_of
from tests.outbox.test_own_writes import edits
from tests.support.engines import ON_SQLITE
from tests.support.story import Workspace

DAY = 24 * 3600


async def begin(workspace: Workspace, every: str = "day") -> Issue:
    """An issue that has the digest."""
    issue = workspace.person.open_issue(workspace.repository, "What the agents do")
    settings = f"digest:\n  issue: {issue.number}\n  every: {every}\n"
    workspace.person.push(workspace.repository, "main", {PATH: settings})
    await workspace.settle()
    return issue


async def days_pass(workspace: Workspace, days: float = 1) -> None:
    workspace.clock.forward(days * DAY)
    await digest_steps.step(workspace.store)
    await workspace.settle()


def digest(issue: Issue) -> str:
    (found,) = [each.body for each in issue.comments if "**Hubbub** · digest" in each.body]
    return found.partition("\n")[2].rpartition("\n\n")[0]


async def test_the_digest_lists_what_needs_a_person_what_runs_and_what_ended(
    workspace: Workspace,
) -> None:
    where = await begin(workspace)
    asked, held, running, ended, _ = [await workspace.task(f"Mend {n}") for n in range(5)]
    scout = await workspace.agent("scout")
    for issue in (asked, running, ended):
        claimed = await scout.call("claim_task", task=workspace.name(issue), lease_s=86_400)
        mine = {"task": workspace.name(issue), "fence": claimed["fence"]}
        if issue is asked:
            await scout.call("update_task_status", **mine, status="in_progress", question="Why?")
        elif issue is running:
            await scout.call("update_task_status", **mine, status="in_progress", progress=40)
        else:
            await scout.call("update_task_status", **mine, status="completed")
    workspace.person.comment(held, "/hold the plan changes")
    await workspace.settle()
    await digest_steps.step(workspace.store)
    await workspace.settle()
    assert digest(where) == (
        "**Hubbub** · digest\n\n"
        "**Needs a person**\n\n"
        f"- #{asked.number} `Mend 0`: `scout` waits for an answer.\n"
        f"- #{held.number} `Mend 1`: on hold by `@octocat`: `the plan changes`.\n\n"
        "**Running**\n\n"
        f"- #{running.number} `Mend 2`: `scout`, 40%.\n\n"
        "**Ended**\n\n"
        f"- #{ended.number} `Mend 3`: completed by `scout`.\n\n"
        "1 task waits for an agent."
    )


@ON_SQLITE
async def test_the_digest_is_edited_in_its_time_and_only_if_something_changed(
    workspace: Workspace,
) -> None:
    where = await begin(workspace)
    await digest_steps.step(workspace.store)
    await workspace.settle()
    assert digest(where).endswith("0 tasks wait for an agent.")
    await workspace.task()
    await days_pass(workspace, 0.5)
    assert digest(where).endswith("0 tasks wait for an agent.")
    await days_pass(workspace, 0.6)
    assert digest(where).endswith("1 task waits for an agent.")
    before = len(edits(workspace))
    await days_pass(workspace)
    await days_pass(workspace, 3)
    assert len(edits(workspace)) == before
    assert len(where.comments) == 1


@ON_SQLITE
async def test_a_deleted_digest_is_written_again_and_one_that_is_not_wanted_stays_as_it_is(
    workspace: Workspace,
) -> None:
    where = await begin(workspace, "hour")
    await days_pass(workspace, 0)
    workspace.person.delete_comment(where.comments[0])
    await workspace.settle()
    await days_pass(workspace, 0.1)
    assert digest(where).endswith("0 tasks wait for an agent.")
    workspace.person.push(workspace.repository, "main", {PATH: "lease_s: 900\n"})
    await workspace.settle()
    await workspace.task()
    await days_pass(workspace)
    assert digest(where).endswith("0 tasks wait for an agent.")
    assert await workspace.rows("SELECT * FROM digests WHERE installation_id = :i") == []


@ON_SQLITE
async def test_a_digest_on_an_issue_that_is_not_there_writes_nothing(workspace: Workspace) -> None:
    workspace.person.push(workspace.repository, "main", {PATH: "digest: {issue: 99}\n"})
    await workspace.settle()
    await days_pass(workspace)
    await days_pass(workspace)
    assert await workspace.rows("SELECT id FROM writes WHERE installation_id = :i") == []


def test_a_digest_names_twenty_tasks_of_each_part() -> None:
    many = [task_of(number=n, title="T", holder="ada", state="in_progress") for n in range(21)]
    text = digest_text.text(DigestContent(running=many, pending=3), 0)
    assert text.count("- #") == 20
    assert "\n- and more\n" in text
    assert "3 tasks wait for an agent." in text


def test_a_review_whose_run_has_ended_names_who_held_the_task_last() -> None:
    left = task_of(number=1, title="T", state="in_review", last_holder="ada")
    text = digest_text.text(DigestContent(needs_people=[left]), 0)
    assert "- #1 `T`: what `ada` reported waits for a review.\n" in text
