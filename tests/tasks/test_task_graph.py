"""The graph of tasks: parents, blockers, cycles, and what a person may not see."""

from bot.identity.actors import Actor
from fixtures.github import Issue
from tests.support.story import Agent, Workspace


def person(workspace: Workspace, *repositories: int) -> Agent:
    reach = frozenset(repositories) or None
    return Agent(
        workspace.dispatcher, Actor(workspace.installation.id, "@boss", "tech-lead", reach)
    )


async def tasks(workspace: Workspace, n: int) -> list[Issue]:
    return [await workspace.task(f"Task {each}") for each in range(n)]


def links(graph: dict[str, list[dict[str, object]]]) -> set[tuple[object, ...]]:
    name = {each["key"]: str(each["issue"]).rpartition("#")[2] for each in graph["nodes"]}
    return {
        (each["kind"], name[each["source"]], name[each["target"]], each["cyclic"])
        for each in graph["links"]
    }


async def test_the_graph_has_parents_and_blockers_of_open_tasks(workspace: Workspace) -> None:
    plan, child, blocker, loose = await tasks(workspace, 4)
    workspace.person.add_sub_issue(plan, child)
    workspace.person.block(child, blocker)
    await workspace.settle()
    graph = await person(workspace).call("get_graph")
    assert links(graph) == {
        ("parent", str(child.number), str(plan.number), False),
        ("blocked_by", str(child.number), str(blocker.number), False),
    }
    assert (graph["loose"], graph["more"]) == (1, False)
    states = {each["issue"]: each["state"] for each in graph["nodes"]}
    assert states[workspace.name(child)] == "blocked"
    assert workspace.name(loose) not in states


async def test_the_graph_around_a_task_reaches_far_and_a_cycle_does_not_hang_it(
    workspace: Workspace,
) -> None:
    first, second, third, far = await tasks(workspace, 4)
    workspace.person.add_sub_issue(first, second)
    workspace.person.block(second, third)
    workspace.person.block(third, first)
    workspace.person.block(far, third)
    await workspace.settle()
    graph = await person(workspace).call("get_graph", task=workspace.name(first))
    assert len(graph["nodes"]) == 4
    assert [each["cyclic"] for each in graph["links"]].count(True) == 3


async def test_of_an_issue_out_of_reach_the_graph_shows_only_that_there_is_one(
    workspace: Workspace,
) -> None:
    secret = workspace.github.repository("acme/secret", private=True)
    workspace.github.add_repositories(workspace.installation, ["acme/secret"])
    await workspace.settle()
    (mine,) = await tasks(workspace, 1)
    both = dict.fromkeys(("acme/rocket", "acme/secret"), "admin")
    owner = workspace.github.person("mona", permissions=both)
    far = owner.open_issue(secret, "Secret", "", labels=["agent-task"])
    owner.block(mine, far)
    await workspace.settle()
    graph = await person(workspace, workspace.repository.id).call("get_graph")
    other = next(each for each in graph["nodes"] if each["issue"] != workspace.name(mine))
    assert (other["issue"], other["title"], other["is_task"]) == (
        "an issue out of reach",
        "",
        False,
    )
