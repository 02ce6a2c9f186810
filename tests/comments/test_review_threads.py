"""Review threads: their order, the code that they are about, and resolving them."""

from dataclasses import replace
from typing import Any

from bot.mirror.rows.pull_rows import hunk_end
from tests.support.engines import ON_SQLITE
from tests.support.story import Agent, Workspace

TWO_LINES = {"files": [{"path": "a.py", "content": "1\n2\n"}]}


async def reviewed(workspace: Workspace) -> tuple[Agent, str, list[dict[str, Any]]]:
    """The author of a pull request that was reviewed, its name, and the review's two threads."""
    maker, ann = await workspace.agent("maker"), await workspace.agent("ann", "tester")
    here = {"repository": "acme/rocket"}
    await maker.call("github_commit_files", **here, **TWO_LINES, branch="fix", message="m")
    await maker.call("github_create_pr", **here, head="fix", title="Mend it")
    await workspace.settle()
    (pull,) = workspace.repository.pulls.values()
    name = f"acme/rocket#{pull.number}"
    comments = [{"path": "a.py", "line": n, "body": f"Why {n}?"} for n in (1, 2)]
    await ann.call("github_review_pr", pull_request=name, body="Not yet", comments=comments)
    await workspace.settle()
    return maker, name, (await maker.call("github_get_thread", task=name))["texts"][2:]


async def test_the_comments_of_a_review_follow_it_with_the_code_that_they_are_about(
    workspace: Workspace,
) -> None:
    maker, name, (one, two) = await reviewed(workspace)
    await maker.call("github_review_pr", pull_request=name, reply_to=one["id"], body="Because")
    await workspace.settle()
    texts = (await maker.call("github_get_thread", task=name))["texts"]
    shown = [
        (each["kind"], each["text"].rpartition("\n")[2], each["thread"], each["hunk"])
        for each in texts
    ]
    assert shown[1:] == [
        ("review", "Not yet", None, None),
        ("review_comment", "Why 1?", one["id"], "@@ -0,0 +1,2 @@\n+1"),
        ("review_comment", "Why 2?", two["id"], "@@ -0,0 +1,2 @@\n+1\n+2"),
        ("review_comment", "Because", one["id"], None),
    ]


@ON_SQLITE
async def test_the_event_of_a_review_without_text_has_its_first_comment_and_no_secret(
    workspace: Workspace,
) -> None:
    maker, name, _ = await reviewed(workspace)
    task = workspace.name(await workspace.task())
    fence = (await maker.call("claim_task", task=task))["fence"]
    await maker.call("github_create_pr", task=task, fence=fence, head="fix", title="Again")
    await workspace.settle()
    critic = await workspace.agent("critic", "tester")
    cursor = (await maker.call("wait_for_events", topics=["tasks"]))["cursor"]
    comment = {"path": "a.py", "line": 1, "body": "Not ghp_aB3dE5gH7jK9mN1pQ3sT5vW7xY9zA1cD3eF5"}
    await critic.call("github_review_pr", pull_request=name, comments=[comment])
    (event,) = (await maker.call("wait_for_events", topics=["tasks"], cursor=cursor))["events"]
    assert (event["kind"], event["data"]["body"]) == ("task.reviewed", "Not [secret removed]")


@ON_SQLITE
async def test_an_agent_reacts_to_a_review_comment(workspace: Workspace) -> None:
    maker, name, (one, _) = await reviewed(workspace)
    given: dict[str, Any] = {"issue": name, "action": "react", "reaction": "+1"}
    await maker.write("github_comment_issue", **given, comment_id=one["id"])
    await workspace.settle()
    comment = workspace.repository.review_comments[one["id"]]
    assert [each.content for each in comment.reactions] == ["+1"]
    refused = await maker.refusal("github_comment_issue", **given, comment_id=1)
    assert refused.code == "unknown_comment"
    edit = {**given, "action": "edit", "reaction": None, "body": "No"}
    refused = await maker.refusal("github_comment_issue", **edit, comment_id=one["id"])
    assert "github_review_pr `reply_to`" in str(refused)


@ON_SQLITE
async def test_a_comment_of_a_review_has_the_agent_as_its_author(workspace: Workspace) -> None:
    maker, name, _ = await reviewed(workspace)
    critic = await workspace.agent("critic", "tester")
    comment = {"path": "a.py", "line": 1, "body": "Which unit?"}
    await critic.call("github_review_pr", pull_request=name, comments=[comment])
    await workspace.settle()
    seen = (await maker.call("github_get_thread", task=name))["texts"][-1]
    shown = [seen[each] for each in ("author", "association", "trusted", "text")]
    assert shown == ["critic", "AGENT", False, "Which unit?"]
    (hit,) = (await maker.call("github_search", query="unit", author="critic"))["results"]
    assert (hit["author"], hit["snippet"]) == ("critic", "Which unit?")


async def test_a_thread_is_resolved_by_any_of_its_comments_also_along_with_an_answer(
    workspace: Workspace,
) -> None:
    maker, name, (one, two) = await reviewed(workspace)
    here = {"pull_request": name}
    answer = await maker.write("github_review_pr", **here, reply_to=two["id"], body="Because")
    await workspace.settle()
    reply = await maker.write("get_write", write_id=answer["write_id"])
    await maker.call("github_review_pr", **here, resolve=[reply["result"]["comment_id"]])
    await workspace.settle()

    async def resolved() -> list[bool | None]:
        texts = (await maker.call("github_get_thread", task=name))["texts"]
        return [each["resolved"] for each in texts[2:]]

    assert await resolved() == [False, True, None]
    both = {"reply_to": one["id"], "body": "Because", "resolve": [one["id"], two["id"]]}
    made = await maker.call("github_review_pr", **here, **both)
    await workspace.settle()
    assert await resolved() == [True, True, None, None]
    write = await maker.write("get_write", write_id=made["writes"][0]["write_id"])
    assert (write["state"], write["result"]) == ("sent", {"resolved": 2})


@ON_SQLITE
async def test_a_thread_whose_first_comment_was_deleted_is_resolved_by_another(
    workspace: Workspace,
) -> None:
    maker, name, _ = await reviewed(workspace)
    (pull,) = workspace.repository.pulls.values()
    reply = workspace.person.reply(pull.review_comments[0], "Because")
    workspace.person.delete_review_comment(pull.review_comments[0])
    await workspace.settle()
    made = await maker.write("github_review_pr", pull_request=name, resolve=[reply.id])
    await workspace.settle()
    write = await maker.write("get_write", write_id=made["write_id"])
    assert (write["state"], write["result"]) == ("sent", {"resolved": 1})
    assert pull.review_comments[0].resolved


@ON_SQLITE
async def test_the_newest_of_more_threads_than_github_lists_at_once_is_resolved(
    workspace: Workspace,
) -> None:
    maker, name, (_, two) = await reviewed(workspace)
    (pull,) = workspace.repository.pulls.values()
    older = [replace(pull.review_comments[0], id=n) for n in range(1, 101)]
    pull.review_comments[:0] = older
    await maker.call("github_review_pr", pull_request=name, resolve=[two["id"]])
    await workspace.settle()
    assert [each.id for each in pull.review_comments if each.resolved] == [two["id"]]


@ON_SQLITE
async def test_a_comment_that_is_not_on_the_pull_request_resolves_nothing(
    workspace: Workspace,
) -> None:
    maker, name, _ = await reviewed(workspace)
    refused = await maker.refusal("github_review_pr", pull_request=name, resolve=[7])
    assert (refused.code, "no review comment 7" in refused.message) == ("unknown_comment", True)


@ON_SQLITE
async def test_without_the_permission_to_write_contents_no_thread_is_resolved_and_it_is_said(
    workspace: Workspace,
) -> None:
    """GitHub asks for more than for a review: https://github.com/github/gh-aw/issues/35726."""
    maker, name, (one, _) = await reviewed(workspace)
    granted = {**workspace.installation.permissions, "contents": "read"}
    workspace.github.accept_permissions(workspace.installation, granted)
    workspace.clock.forward(3600)  # a token keeps what it was given
    made = await maker.write("github_review_pr", pull_request=name, resolve=[one["id"]])
    await workspace.settle()
    refused = (await maker.write("get_write", write_id=made["write_id"]))["refusal"]
    assert refused["details"]["reason"] == "missing_permission"
    assert "contents=write" in refused["message"]


@ON_SQLITE
async def test_a_thread_shows_the_last_300_characters_of_its_hunk_and_only_once(
    workspace: Workspace,
) -> None:
    maker, ann = await workspace.agent("maker"), await workspace.agent("ann", "tester")
    content = "".join(f"line {n:03}\n" for n in range(100))
    here, files = {"repository": "acme/rocket"}, [{"path": "a.py", "content": content}]
    await maker.call("github_commit_files", **here, files=files, branch="fix", message="m")
    await maker.call("github_create_pr", **here, head="fix", title="Mend it")
    await workspace.settle()
    name = f"acme/rocket#{next(iter(workspace.repository.pulls))}"
    comments = [{"path": "a.py", "line": 100, "body": "Why?"}]
    await ann.call("github_review_pr", pull_request=name, body="Hm", comments=comments)
    await workspace.settle()
    first = (await maker.call("github_get_thread", task=name))["texts"][-1]["id"]
    await maker.call("github_review_pr", pull_request=name, reply_to=first, body="So")
    await workspace.settle()
    hunks = [each["hunk"] for each in (await maker.call("github_get_thread", task=name))["texts"]]
    assert hunks[-2:] == ["\n".join(f"+line {n:03}" for n in range(70, 100)), None]


def test_of_a_long_hunk_the_last_whole_lines_are_kept() -> None:
    lines = [f"+line {n:03}" for n in range(100)]
    kept = hunk_end("\n".join(["@@ -0,0 +1,100 @@", *lines]))
    assert kept == "\n".join(lines[-60:])
    assert hunk_end("x" * 700) == "x" * 600
