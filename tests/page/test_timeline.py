"""Each event of a task is one sentence on its page."""

import re

from bot.kernel.event_kinds import KINDS
from bot.operations.github.linked_writes import LinkedWrite
from tests.support.login import LoginServer
from tests.support.page import HERE, signed_in, text_of
from webhooks.page.filters import code_spans
from webhooks.page.timeline import NAME, SENTENCES
from webhooks.page.views.task import replaced_writes

# What the sentences leave out, because it says nothing to people. It is in the folded data.
UNSAID = {
    "task.claimed": {"fence", "lease"},
    "task.commented": {"association"},
    "task.reviewed": {"review_id", "write_id"},
    "task.review_requested": {"message"},
    "task.checked": {"sha"},
    "task.pushed": {"head"},
    "task.plan_proposed": {"plan"},
    "task.plan_approved": {"plan", "workflow"},
    "task.plan_rejected": {"plan"},
    "task.overlap": {"same_symbols", "different_symbols"},
    "task.spend": {"of", "whose", "level", "by"},
    "task.completed": {"progress_before"},
    "task.failed": {"progress_before"},
    "task.released": {"holder"},
}


def test_every_event_of_a_task_has_a_sentence_with_all_that_it_knows() -> None:
    kinds = {kind: set(each.data) for kind, each in KINDS.items() if kind.startswith("task.")}
    assert SENTENCES.keys() == kinds.keys()
    for kind, data in kinds.items():
        named = set(NAME.findall("".join(SENTENCES[kind])))
        assert named - {"actor"} == data - UNSAID.get(kind, set()), kind


def test_a_sentence_of_hubbub_has_names_as_code_and_no_markup() -> None:
    assert code_spans("`ada` & <b>") == "<code>ada</code> &amp; &lt;b&gt;"
    assert code_spans("a `b") == "a `b"


async def test_sentences_lead_to_comments_pull_requests_and_agents(server: LoginServer) -> None:
    workspace, browser = server.workspace, await signed_in(server)
    workspace.person.push(workspace.repository, "main", {"README.md": "A rocket\n"})
    issue = await workspace.task()
    name, github = workspace.name(issue), f"{workspace.github.url}/acme/rocket/issues"
    ada = await workspace.agent("ada")
    fence = (await ada.call("claim_task", task=name))["fence"]
    await ada.call(
        "github_commit_files",
        task=name,
        fence=fence,
        branch="b",
        message="m",
        files=[{"path": "a", "content": "1"}],
    )
    await workspace.settle()
    await ada.call("github_create_pr", task=name, fence=fence, head="b", title="Mend")
    await ada.call("github_comment_issue", issue=name, body="Look")
    await workspace.settle()
    page = await text_of(browser, f"{HERE}/tasks/acme/rocket/{issue.number}")
    for shown in (
        rf'ada</a> opened <a href="{github}/2" rel="noreferrer">pull request #2</a>',
        rf'ada</a> wrote <a href="{github}/1#issuecomment-\d+" rel="noreferrer">a comment</a>',
        rf'<h3><a href="{github}/2" rel="noreferrer">acme/rocket#2</a>',
        r'"row"><a href="https://github.com/acme/rocket/pull/2" rel="noreferrer">pull request</a>',
        r"\d+ more that a newer write replaced",
        r"<summary>Data of these events</summary>",
    ):
        assert re.search(shown, page), shown
    listed = await text_of(browser, f"{HERE}/tasks?state=any")
    assert f'href="{github}/2"' in listed


def test_superseded_writes_and_old_texts_of_the_status_comment_are_folded() -> None:
    rows = [
        ("w_5", "card", "queued"),
        ("w_4", "card", "sent"),
        ("w_3", "comment", "sent"),
        ("w_2", "card", "superseded"),
        ("w_1", "card", "sent"),
    ]
    writes = [
        LinkedWrite(write_id=i, kind=k, state=s, author="ada", queued_at="") for i, k, s in rows
    ]
    assert [each.write_id for each in replaced_writes(writes)] == ["w_2", "w_1"]
