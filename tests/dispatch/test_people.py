"""A person has a role by repository. A call counts where that role is enough."""

import pytest

from bot.dispatch.dispatcher import operations_of
from bot.identity.actors import Actor, person_with_roles
from fixtures.github import Issue, Repository
from store.tables.agents import Role
from tests.support.story import Agent, Workspace


class Ada:
    """Somebody who leads acme/rocket and only reads acme/api."""

    def __init__(self, workspace: Workspace, api: Repository) -> None:
        self.workspace = workspace
        self.api = api
        self.tasks: dict[str, Issue] = {}

    def as_person(self, rocket: Role | None = "tech-lead", api: Role | None = "observer") -> Agent:
        both = {self.workspace.repository.id: rocket, self.api.id: api}
        roles = {each: role for each, role in both.items() if role is not None}
        actor = person_with_roles(self.workspace.installation.id, "ada", roles, both.keys())
        return Agent(self.workspace.dispatcher, actor)

    async def task(self, repository: Repository, title: str) -> str:
        issue = self.workspace.person.open_issue(repository, title, "", labels=["agent-task"])
        await self.workspace.settle()
        return f"{repository.full_name}#{issue.number}"

    async def two_tasks(self) -> tuple[str, str]:
        return (
            await self.task(self.workspace.repository, "Launch"),
            await self.task(self.api, "Answer"),
        )


@pytest.fixture
async def ada(workspace: Workspace) -> Ada:
    api = workspace.github.repository("acme/api", private=True)
    workspace.github.set_permission("acme/api", "octocat", "admin")
    workspace.github.add_repositories(workspace.installation, ["acme/api"])
    await workspace.settle()
    return Ada(workspace, api)


async def test_a_person_decides_about_tasks_only_where_they_lead(ada: Ada) -> None:
    rocket, api = await ada.two_tasks()
    person = ada.as_person()
    for operation, given in (
        ("change_task", {"priority": "high"}),
        ("change_task", {"state": "cancelled"}),
    ):
        await person.call(operation, task=rocket, **given)
        refused = await person.refusal(operation, task=api, **given)
        assert refused.code == "forbidden"
        assert refused.message == (
            "This needs the role developer in acme/api, and @ada has observer there. Somebody who "
            "administers the repository can give you the permission write."
        )
    assert (await person.call("get_task", task=api))["task"]["state"] == "pending"


async def test_a_person_claims_and_releases_only_where_they_write(ada: Ada) -> None:
    rocket, api = await ada.two_tasks()
    person = ada.as_person(rocket="developer", api="tester")
    assert (await person.refusal("claim_task", task=api)).code == "forbidden"
    claimed = await person.call("claim_task", task=rocket)
    assert claimed["task"]["holder"] == "@ada"
    assert (await person.refusal("claim_task")).code == "nothing_ready", "not the task of acme/api"
    await person.call("release_task", task=rocket)
    assert (await person.refusal("release_task", task=api)).code == "forbidden"


async def test_a_person_takes_a_task_from_another_person_only_where_they_lead(ada: Ada) -> None:
    rocket, api = await ada.two_tasks()
    ben = Agent(
        ada.workspace.dispatcher,
        Actor(ada.workspace.installation.id, "@ben", "developer"),
    )
    for each in (rocket, api):
        await ben.call("claim_task", task=each)
    person = ada.as_person(api="developer")
    assert (await person.refusal("release_task", task=api)).code == "not_holder"
    assert (await person.call("release_task", task=rocket))["task"]["holder"] is None


async def test_a_person_writes_on_github_only_where_they_may(ada: Ada) -> None:
    rocket, api = await ada.two_tasks()
    person = ada.as_person(rocket="tester")
    await person.call("github_comment_issue", issue=rocket, body="Seen")
    assert (await person.refusal("github_comment_issue", issue=api, body="No")).code == "forbidden"
    for operation, given in (
        ("github_create_issue", {"title": "New"}),
        ("create_task", {"title": "New task"}),
        ("github_run_workflow", {"workflow": "ci.yml", "ref": "main"}),
    ):
        for where in ("acme/rocket", "acme/api"):
            refused = await person.refusal(operation, repository=where, **given)
            assert refused.code == "forbidden", (operation, where)


async def test_a_person_sees_what_they_read_and_nothing_of_other_repositories(ada: Ada) -> None:
    rocket, api = await ada.two_tasks()
    both = await ada.as_person().call("list_tasks")
    assert {each["task"] for each in both["tasks"]} == {rocket, api}
    one = ada.as_person(api=None)
    listed = await one.call("list_tasks")
    assert [each["task"] for each in listed["tasks"]] == [rocket]
    assert (await one.refusal("get_task", task=api)).code == "unknown_repository"
    assert (await one.refusal("claim_task", task=api)).code == "unknown_repository"
    assert (await one.refusal("github_create_issue", repository="acme/api", title="No")).code == (
        "unknown_repository"
    )
    found = await one.call("github_search", query="Answer")
    assert found["results"] == []


async def test_a_context_of_a_repository_counts_the_role_there(ada: Ada) -> None:
    _, api = await ada.two_tasks()
    agent = await ada.workspace.agent("bot-1")
    made = await agent.call("create_context", name="plan", content="secret plan", task=api)
    context_id = made["context"]["id"]
    reader = ada.as_person()
    assert (await reader.refusal("get_context", context_id=context_id)).code == "unknown_context"
    assert (await reader.call("list_contexts"))["contexts"] == []
    await agent.call("share_context", context_id=context_id, to="role:developer", access="write")
    assert (await reader.refusal("get_context", context_id=context_id)).code == "unknown_context"
    await agent.call("share_context", context_id=context_id, to="role:observer", access="read")
    assert (await reader.call("get_context", context_id=context_id))["content"] == "secret plan"
    writer = ada.as_person(rocket=None, api="developer")
    assert (await writer.call("list_contexts"))["contexts"][0]["id"] == context_id


async def test_agents_are_managed_by_who_leads_every_repository(ada: Ada) -> None:
    await ada.workspace.agent("bot-1")
    one, all_of_them = ada.as_person(), ada.as_person(api="tech-lead")
    refused = await one.refusal("manage_agent", agent_id="bot-1", action="pause")
    assert refused.code == "forbidden"
    await all_of_them.call("manage_agent", agent_id="bot-1", action="pause")
    listed = await one.call("list_agents")
    assert [each["status"] for each in listed["agents"]] == ["paused"]


async def test_messages_are_sent_by_who_tests_anywhere(ada: Ada) -> None:
    rocket, api = await ada.two_tasks()
    await ada.workspace.agent("bot-1")
    person = ada.as_person(rocket="tester")
    text = {"to": "bot-1", "body": "Please stop"}
    await person.call("send_message", **text)
    await person.call("send_message", **text, task=rocket)
    assert (await person.refusal("send_message", **text, task=api)).code == "forbidden"
    reader = ada.as_person(rocket="observer")
    assert (await reader.refusal("send_message", **text)).code == "forbidden"


async def test_a_person_cancels_writes_of_agents_only_where_they_lead(ada: Ada) -> None:
    rocket, api = await ada.two_tasks()
    agent = await ada.workspace.agent("bot-1")
    writes = [
        await agent.write("github_comment_issue", issue=each, body="Hello")
        for each in (rocket, api)
    ]
    person = ada.as_person(api="developer")
    await person.call("cancel_write", write_id=writes[0]["write_id"])
    refused = await person.refusal("cancel_write", write_id=writes[1]["write_id"])
    assert refused.code == "unknown_write"


async def test_people_need_not_register(ada: Ada) -> None:
    refused = await ada.as_person().refusal("register_agent", agent_id="ada", name="Ada")
    assert (refused.code, refused.message) == (
        "forbidden",
        "People need not register. Only agents do.",
    )


async def test_a_person_is_offered_what_they_may_call_in_any_repository(ada: Ada) -> None:
    reads = {each.name for each in operations_of(ada.as_person(rocket="observer").actor)}
    leads = {each.name for each in operations_of(ada.as_person().actor)}
    assert "change_task" not in reads
    assert {"change_task", "claim_task", *reads} <= leads
