"""A workspace in which much is going on, for the pages, their pictures and their checks."""

from dataclasses import dataclass

from bot.background import budget_sampling
from fixtures.github import Issue
from store.files import attachments
from store.inbox import deliveries
from tests.support.story import Agent, Workspace
from tests.support.workflows import define

CODE = {"pump.py": "PRESSURE = 3\n", "README.md": "A rocket\n"}
# Samples of the budget, and what an agent does between two of them.
SAMPLES = 14


@dataclass(frozen=True)
class PageStory:
    """What the addresses of pages name."""

    workspace: Workspace
    ada: Agent
    plan: Issue
    pump: Issue
    hull: Issue
    fence: int
    context_id: str
    file_id: str
    guid: str
    task_id: str
    workflow_id: str


async def play(workspace: Workspace) -> PageStory:
    person, repository = workspace.person, workspace.repository
    person.push(repository, "main", CODE)
    plan, pump, hull, valve, engine, papers = [
        await workspace.task(title, body)
        for title, body in (
            ("Launch the rocket", "When all parts are ready."),
            ("Mend the fuel pump", "It leaks at 3 bar. Find out why, and mend it."),
            ("Paint the hull", "White, with a red stripe."),
            ("Test the main valve", "At 2, 3 and 4 bar."),
            ("Order a new engine", "The old one has flown ten times."),
            ("Write the checklist", "One page."),
        )
    ]
    for each in (pump, hull, valve, papers):
        person.add_sub_issue(plan, each)
    person.block(hull, pump)
    person.block(valve, pump)
    person.block(papers, valve)
    await workspace.settle()
    ada, bob, eve = [
        await workspace.agent(name, "developer", *can)
        for name, can in (("ada", ("python", "pumps")), ("bob", ("docs",)), ("eve", ()))
    ]
    fence, context_id = await _work(workspace, ada, bob, pump)
    kept = await ada.call("attach_file", name="notes.txt", text="Notes")
    on = (workspace.installation.id, "context", context_id, [kept["file"]["id"]])
    await workspace.store.write(lambda tx: attachments.attach(tx, *on))  # type: ignore[arg-type]
    asked = (await bob.call("claim_task", task=workspace.name(engine)))["fence"]
    await bob.call(
        "update_task_status",
        task=workspace.name(engine),
        fence=asked,
        status="in_review",
        question="Two offers came in, at 90 and at 120 thousand. Which one shall I order?",
    )
    spare = workspace.name(await workspace.task("Count the spare parts", "In all drawers."))
    lost = (await eve.call("claim_task", task=spare))["fence"]
    await eve.call(
        "update_task_status", task=spare, fence=lost, status="failed", result="The list is lost."
    )
    await _time(workspace, ada, pump, fence)
    guid = await _dead_delivery(workspace)
    for n in range(3):
        await ada.write("github_comment_issue", issue=workspace.name(hull), body=f"Coat {n + 1}")
    (row,) = await workspace.rows(
        "SELECT id FROM tasks WHERE installation_id = :i AND number = :n", n=pump.number
    )
    workflow_id = await _workflow(workspace, bob)
    return PageStory(
        workspace,
        ada,
        plan,
        pump,
        hull,
        fence,
        context_id,
        kept["file"]["id"],
        guid,
        row["id"],
        workflow_id,
    )


async def _workflow(workspace: Workspace, bob: Agent) -> str:
    """A workflow whose first step somebody works on."""
    await define(workspace)
    given = {"name": "feature", "repository": "acme/rocket", "inputs": {"feature": "the hatch"}}
    made = await bob.call("start_workflow", **given)
    await workspace.settle()
    return str(made["id"])


async def _work(workspace: Workspace, ada: Agent, bob: Agent, pump: Issue) -> tuple[int, str]:
    """Ada works on a task: a document in two versions, a message, commits, a pull request."""
    name = workspace.name(pump)
    fence = (await ada.call("claim_task", task=name))["fence"]
    given = {"name": "What we know", "content": "It leaks.\nSince May.\n", "task": name}
    context_id = (await ada.call("create_context", **given))["context"]["id"]
    text = "It leaks at 3 bar.\nSince May.\nThe seal is worn.\n"
    await ada.call("update_context", context_id=context_id, content=text, expected_version=1)
    sent = await ada.call("send_message", to="bob", body="Do we have a seal?", task=name)
    await bob.call("get_messages")
    await bob.call("send_message", to="ada", body="Two, in box 7.", reply_to=sent["message_id"])
    await ada.call(
        "github_commit_files",
        task=name,
        fence=fence,
        branch="mend-the-pump",
        message="A new seal",
        files=[{"path": "pump.py", "content": "PRESSURE = 4\n"}],
    )
    await workspace.settle()
    await ada.call(
        "github_create_pr", task=name, fence=fence, head="mend-the-pump", title="A new seal"
    )
    await ada.call(
        "update_task_status",
        task=name,
        fence=fence,
        status="in_progress",
        progress=60,
        note="The seal is in; the test at 4 bar is next.",
    )
    await workspace.settle()
    return fence, context_id


async def _time(workspace: Workspace, ada: Agent, pump: Issue, fence: int) -> None:
    """Hours in which Ada comments and reports what its model costs."""
    name = workspace.name(pump)
    for n in range(SAMPLES):
        await ada.call(
            "report_usage",
            model="m-1",
            input_tokens=9000 + 700 * n,
            output_tokens=900,
            cost=f"{0.1 + n % 5 / 20:.2f}",
            task=name,
        )
        for each in range(n % 4):
            body = f"Measured {n}.{each} bar"
            await ada.call("github_comment_issue", issue=name, body=body, fence=fence)
        await budget_sampling.step(workspace.store)
        await workspace.settle()
        workspace.clock.forward(330)


async def _dead_delivery(workspace: Workspace) -> str:
    """A delivery on which Hubbub gave up."""
    workspace.person.open_issue(workspace.repository, "What is this rocket for?", "")
    await workspace.github.wait_for_deliveries()
    (row,) = await workspace.rows(
        "SELECT guid FROM deliveries WHERE installation_id = :i AND state = 'received' "
        "AND event = 'issues'"
    )
    i, guid = workspace.installation.id, row["guid"]
    why = "KeyError: 'issue'"
    for _ in range(len(deliveries.BACKOFF_S) + 1):
        await workspace.store.write(lambda tx: deliveries.mark_failed(tx, i, guid, why))
    return str(guid)
