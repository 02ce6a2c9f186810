"""The picture of the card in docs/reference/card.md shows what the code prints now."""

import os
import re
from pathlib import Path

from fixtures.github import Issue
from tests.comments.test_card_boxes import card_of
from tests.support.card_picture import draw, texts_in
from tests.support.engines import ON_SQLITE
from tests.support.story import Workspace

PICTURE = Path(__file__).parents[2] / "docs" / "reference" / "card.png"


async def work(workspace: Workspace) -> tuple[Issue, dict[str, object]]:
    """An agent works on a task, and opens a pull request whose checks do not all pass."""
    issue = await workspace.task("Limit the rate of exports")
    agent = await workspace.agent("scout")
    claimed = await agent.call("claim_task", task=workspace.name(issue), lease_s=3600)
    mine = {"task": workspace.name(issue), "fence": claimed["fence"]}
    await workspace.settle()
    workspace.person.tick(card_of(issue), "/hold")
    await workspace.settle()
    workspace.clock.forward(840)
    workspace.person.tick(card_of(issue), "/resume")
    await workspace.settle()
    workspace.person.push(workspace.repository, "exports", {"a.py": "1\n"}, base="main")
    await agent.call("github_create_pr", **mine, head="exports", title="Limit exports")
    note = "The limit holds for each person. Left: the answer 429 has no Retry-After yet."
    report = {"status": "in_progress", "progress": 60, "note": note}
    await agent.call("update_task_status", **mine, **report)
    await agent.call("report_usage", task=workspace.name(issue), model="m-1", cost="1.84")
    await workspace.settle()
    (pull,) = workspace.repository.pulls.values()
    for name, end in (("lint", "success"), ("unit", "success"), ("e2e", "failure")):
        check = workspace.github.ci.start_check(workspace.repository, pull.head_sha, name)
        workspace.github.ci.finish_check(check, end)
    await workspace.settle()
    workspace.clock.forward(1200)
    await agent.call("update_task_status", **mine, **report | {"progress": 70})
    await workspace.settle()
    return issue, mine


@ON_SQLITE
async def test_the_picture_of_the_card_shows_what_the_code_prints(workspace: Workspace) -> None:
    """After a wanted change: HUBBUB_UPDATE_SNAPSHOTS=1 pytest tests/docs/test_card_picture.py.

    This needs Chromium.
    """
    issue, mine = await work(workspace)
    working = shown(issue)
    question = "Should a person who pays have a higher limit? If so, which one?"
    agent = await workspace.agent("scout")
    await agent.call("update_task_status", **mine, status="in_progress", question=question)
    await workspace.settle()
    texts = [working, shown(issue)]
    if os.environ.get("HUBBUB_UPDATE_SNAPSHOTS"):
        draw(texts, PICTURE)
    in_picture = texts_in(PICTURE.read_bytes())
    assert [without_times(each) for each in in_picture] == [without_times(each) for each in texts]


def without_times(text: str) -> str:
    """How long the story takes depends on all that Hubbub writes in it."""
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "TIME", text)


def shown(issue: Issue) -> str:
    """The card without its hidden marker."""
    return card_of(issue).body.partition("\n")[2]
