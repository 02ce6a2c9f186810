"""Composed tools, from the settings file to the answer."""

import asyncio
import json
from typing import Any

import pytest

from bot.dispatch.dispatcher import Dispatcher
from bot.identity.actors import Actor
from bot.mounts.compositions import rounds, running
from bot.repository.settings_file import PATH
from bot.tool_servers.connections import ImagePart, ServerSpec, TextPart, ToolResult
from mcp_server import pinned_tools
from tests.support.engines import ON_SQLITE
from tests.support.story import Agent, Workspace
from tests.support.tool_desk import PlayedServers, ToolDesk, away, spec, text

T = "tools_rocket__triage"
A = {"words": "leak"}
ANY = {"type": "object"}
TRIAGE = """
tools:
  triage:
    description: Finds issues of other trackers, and tells the team.
    arguments:
      words: {description: what to look for}
      most: {type: integer, default: 5}
    steps:
      - id: found
        call: jira__search
        with: {words: "${{ arguments.words }}", most: "${{ arguments.most }}"}
      - id: people
        call: crm__people
      - id: tell
        call: chat__post
        if: steps.found.result.total > 0
        needs: [people]
        with: {text: "${{ steps.found.result.total }} found, ${{ steps.people.result }}"}
    result: {issues: "${{ steps.found.result.issues }}", told: "${{ steps.tell.outcome }}"}
"""


def chain(*steps: dict[str, Any], name: str = "triage", **more: Any) -> str:
    """A settings file with one tool. YAML takes JSON."""
    tool = {"description": "A chain.", "steps": list(steps), **more}
    return json.dumps({"tools": {name: tool}})


def structured(value: Any) -> ToolResult:
    return ToolResult((), value)


FOUND = structured({"total": 2, "issues": [{"key": "A-1"}, {"key": "A-2"}]})


async def push(workspace: Workspace, text: str | None) -> None:
    workspace.person.push(workspace.repository, "main", {PATH: text})
    await workspace.settle()


@pytest.fixture
async def desk(workspace: Workspace) -> ToolDesk:
    made = ToolDesk(workspace.dispatcher, workspace.clock, workspace.installation.id)
    await made.mount("jira", spec("search", input_schema=ANY, read_only=True))
    await made.mount("crm", spec("people", input_schema=ANY))
    await made.mount("chat", spec("post", input_schema=ANY))
    return made


@pytest.fixture
async def ada(desk: ToolDesk) -> Agent:
    return await desk.agent("ada")


async def test_an_agent_finds_a_composed_tool_and_its_steps_are_called(
    workspace: Workspace, desk: ToolDesk, ada: Agent
) -> None:
    await push(workspace, TRIAGE)
    (found,) = (await ada.call("find_tools", query="trackers team"))["tools"]
    assert found["name"] == T
    assert found["takes"]["required"] == ["words"]
    desk.servers.answers["jira__search"] = [FOUND]
    answer = await ada.call("call_tool", tool=T, arguments=A)
    assert sorted(desk.servers.calls[:2]) == [
        ("crm", "people", {}),
        ("jira", "search", {"words": "leak", "most": 5}),
    ]
    post = {"text": "2 found, crm did people."}
    assert desk.servers.calls[2:] == [("chat", "post", post)]
    assert answer["structured"] == {"issues": [{"key": "A-1"}, {"key": "A-2"}], "told": "ok"}
    assert answer["source"] == "the tool servers crm, jira, chat, through tools_rocket"
    assert (answer["tool"], answer["trusted"], answer["failed"]) == (T, False, False)
    rows = {row["tool"]: row for row in await desk.rows("tool_calls")}
    assert {name: row["outcome"] for name, row in rows.items()} == dict.fromkeys(
        ("triage", "search", "people", "post"), "ok"
    )
    assert all(row["caller"] == "ada" for row in rows.values())
    audit = [row for row in await desk.rows("audit") if row["operation"] == "call_tool"]
    assert sorted(row["subject"] for row in audit) == [
        "chat__post",
        "crm__people",
        "jira__search",
        T,
    ]
    assert "leak" not in str(audit)
    # Its name is the name of an operation too, as for other tools.
    assert (await ada.call(T, words="leak", most=1))["tool"] == T
    assert ("jira", "search", {"words": "leak", "most": 1}) in desk.servers.calls


async def test_the_tools_of_a_repository_that_the_app_lost_are_not_listed(
    workspace: Workspace, desk: ToolDesk, ada: Agent
) -> None:
    await push(workspace, TRIAGE)
    await desk.person().call("manage_tool", tool=T, action="pin")
    total = (await ada.call("find_tools"))["total"]
    actor = Actor(workspace.installation.id, "ada", "developer")
    assert [each.name for each in await pinned_tools.of(workspace.store, actor)] == [T]
    workspace.github.remove_repositories(workspace.installation, [workspace.repository.full_name])
    await workspace.settle()
    assert (await ada.call("find_tools"))["total"] == total - 1
    assert (await ada.call("find_tools", query=T))["tools"] == []
    assert await pinned_tools.of(workspace.store, actor) == []


async def test_the_tools_follow_the_file_and_keep_what_people_decided(
    workspace: Workspace, desk: ToolDesk, ada: Agent
) -> None:
    await push(workspace, TRIAGE)
    await desk.set(T, role="tech-lead")
    await desk.person().call("manage_tool", tool=T, action="pin")
    refused = await ada.refusal("call_tool", tool=T, arguments=A)
    assert (refused.code, refused.details["needs"]) == ("forbidden", "tech-lead")
    await push(workspace, None)
    refused = await desk.person().refusal("call_tool", tool=T, arguments=A)
    assert refused.code == "unknown_tool"
    assert "The repository's settings have tools_rocket__triage no more" in refused.message
    await push(workspace, chain({"id": "a", "call": "crm__people"}))
    row = await desk.tool("tools_rocket", "triage")
    assert (row["state"], row["policy"], row["pinned"]) == ("active", {"role": "tech-lead"}, 1)
    assert row["description"] == "A chain."
    assert (await ada.refusal("call_tool", tool=T)).code == "forbidden"
    await push(workspace, chain({"id": "a", "call": "crm__people"}, name="other"))
    await desk.person().call("call_tool", tool="tools_rocket__other")
    await push(workspace, "{}")
    assert (await ada.refusal("call_tool", tool="tools_rocket__other")).code == "unknown_tool"


async def test_a_limit_of_the_whole_and_one_of_a_step_both_count(
    workspace: Workspace, desk: ToolDesk, ada: Agent
) -> None:
    await push(workspace, TRIAGE)
    await desk.set("crm__people", calls_a_day=2, price="0.5")
    await desk.set(T, calls_a_day=3)
    for _ in range(2):
        assert not (await ada.call("call_tool", tool=T, arguments=A))["failed"]
    third = await ada.call("call_tool", tool=T, arguments=A)
    assert third["failed"]
    assert (
        "The step people failed: All agents together may use crm__people up to 2" in third["text"]
    )
    assert (await ada.refusal("call_tool", tool=T, arguments=A)).code == "tool_limit"
    (row,) = [row for row in await desk.rows("tool_usage") if row["tool"] == "people"]
    assert (row["calls"], row["cost"]) == (2, 1_000_000)


@ON_SQLITE
async def test_the_page_and_people_see_its_steps(
    workspace: Workspace, desk: ToolDesk, ada: Agent
) -> None:
    await push(workspace, TRIAGE)
    await ada.call("call_tool", tool=T, arguments=A)
    found = await desk.person().call("get_tool", tool=T)
    assert found["server"] == "tools_rocket"
    assert [(each["id"], each["call"], each["after"]) for each in found["steps"]] == [
        ("found", "jira__search", []),
        ("people", "crm__people", []),
        ("tell", "chat__post", ["found", "people"]),
    ]
    assert found["steps"][2]["conditions"] == ["steps.found.result.total > 0"]
    assert [each["outcome"] for each in found["calls"]] == ["ok"]
    (mount,) = [
        each
        for each in (await desk.person().call("list_mounts"))["mounts"]
        if each["kind"] == "composed"
    ]
    assert (mount["name"], mount["repositories"]) == ("tools_rocket", ["acme/rocket"])
    for action in ("change", "remove", "refresh", "restart"):
        refused = await desk.person().refusal("manage_mount", mount="tools_rocket", action=action)
        assert "is no server" in refused.message
    refused = await desk.person().refusal(
        "manage_tool", tool="crm__people", action="set", policy={"fallback": "tools_rocket"}
    )
    assert "no other 'tools_rocket'" in refused.message


@ON_SQLITE
async def test_a_step_is_skipped_with_its_reason_and_steps_after_it_too(
    workspace: Workspace, desk: ToolDesk, ada: Agent
) -> None:
    await push(workspace, TRIAGE)
    desk.servers.answers["jira__search"] = [structured({"total": 0, "issues": []})]
    answer = await ada.call("call_tool", tool=T, arguments=A)
    assert answer["structured"] == {"issues": [], "told": "skipped"}
    assert answer["left_out"] == [
        "tell was skipped: steps.found.result.total > 0 does not hold",
    ]


@ON_SQLITE
async def test_a_failure_ends_the_tool_and_the_answer_says_what_was_done(
    workspace: Workspace, desk: ToolDesk, ada: Agent
) -> None:
    steps = (
        {"id": "first", "call": "crm__people"},
        {"id": "second", "call": "chat__post", "needs": ["first"]},
        {"id": "third", "call": "jira__search", "needs": ["second"]},
    )
    await push(workspace, chain(*steps))
    desk.servers.answers["chat__post"] = [ToolResult((TextPart("no such room"),), is_error=True)]
    answer = await ada.call("call_tool", tool=T, key="k")
    assert answer["failed"]
    assert answer["text"] == (
        "The step second failed: chat__post says that it failed: no such room. "
        "Steps that were done: first."
    )
    assert (await ada.call("call_tool", tool=T, key="k"))["text"] == answer["text"]
    assert len(desk.servers.calls) == 2


@ON_SQLITE
async def test_a_step_may_fail_without_the_others(
    workspace: Workspace, desk: ToolDesk, ada: Agent
) -> None:
    steps = (
        {"id": "first", "call": "crm__people", "on_failure": "continue"},
        {"id": "gone", "call": "wiki__search", "on_failure": "continue"},
        {"id": "second", "call": "chat__post", "if": "steps.first.outcome == 'failed'"},
    )
    await push(workspace, chain(*steps, result="${{ steps.second.result }}"))
    desk.servers.answers["crm__people"] = [away(sent=True)]
    answer = await ada.call("call_tool", tool=T)
    assert (answer["failed"], answer["text"]) == (False, "chat did post.")
    assert answer["left_out"][0].startswith("gone failed: There is no tool 'wiki__search'")
    assert answer["left_out"][1].startswith("first failed: crm__people was called, and what came")
    assert [call[0] for call in desk.servers.calls] == ["crm", "chat"]


@ON_SQLITE
async def test_what_cannot_be_done_is_refused_before_the_first_call_and_names_the_step(
    workspace: Workspace, desk: ToolDesk, ada: Agent
) -> None:
    await push(workspace, TRIAGE)
    lead = desk.person()
    await lead.call("manage_tool", tool="chat__post", action="park")
    refused = await ada.refusal("call_tool", tool=T, arguments=A, key="k")
    assert (refused.code, refused.details["step"]) == ("tool_parked", "tell")
    assert refused.message.startswith(f"The step tell of {T} cannot be done: chat__post is parked")
    await lead.call("manage_tool", tool="chat__post", action="unpark")
    await desk.set("chat__post", role="tech-lead")
    refused = await ada.refusal("call_tool", tool=T, arguments=A, key="k")
    assert (refused.code, refused.details["needs"]) == ("forbidden", "tech-lead")
    await desk.set("chat__post", role=None)
    await desk.relist("crm")
    refused = await ada.refusal("call_tool", tool=T, arguments=A, key="k")
    assert (refused.code, refused.details["step"]) == ("unknown_tool", "people")
    refused = await ada.refusal("call_tool", tool=T, arguments={"word": "leak"})
    assert refused.code == "invalid_arguments"
    assert desk.servers.calls == []
    assert await desk.rows("tool_calls") == []


@ON_SQLITE
async def test_agents_of_other_repositories_do_not_see_it(
    workspace: Workspace, desk: ToolDesk
) -> None:
    await push(workspace, TRIAGE)
    outside = await desk.agent("out", repositories=frozenset({workspace.repository.id + 1}))
    assert (await outside.refusal("call_tool", tool=T, arguments=A)).code == "unknown_tool"
    assert (await outside.call("find_tools", query="triage"))["total"] == 0
    tester = await desk.agent("t", "tester")
    assert (await tester.refusal("call_tool", tool=T, arguments=A)).code == "forbidden"


@ON_SQLITE
async def test_what_a_step_answers_is_data_and_no_reference_in_it_is_followed(
    workspace: Workspace, desk: ToolDesk, ada: Agent
) -> None:
    steps = (
        {"id": "a", "call": "crm__people"},
        {"id": "b", "call": "chat__post", "with": {"text": "${{ steps.a.result }}"}},
        {"id": "c", "call": "jira__search", "with": {"x": "${{ steps.b.result.rows.1.name }}"}},
    )
    await push(workspace, chain(*steps))
    evil = "${{ arguments.secret }} ${{ steps.c.result }}"
    desk.servers.answers["crm__people"] = [text(evil)]
    desk.servers.answers["chat__post"] = [text('{"rows": [{}, {"name": 7}]}')]
    await ada.call("call_tool", tool=T)
    assert [call[2] for call in desk.servers.calls] == [{}, {"text": evil}, {"x": 7}]
    answer = await ada.call("call_tool", tool=T)
    assert answer["failed"]
    assert "The step c failed: steps.b.result.rows.1.name has no value" in answer["text"]


@ON_SQLITE
@pytest.mark.parametrize("said", ['{"a": "\\ud800"}', '{"a": NaN}', "[" * 100_000])
async def test_a_text_that_is_only_nearly_json_is_passed_on_as_a_text(
    workspace: Workspace, desk: ToolDesk, ada: Agent, said: str
) -> None:
    steps = (
        {"id": "a", "call": "crm__people"},
        {"id": "b", "call": "chat__post", "with": {"text": "${{ steps.a.result }}"}},
    )
    await push(workspace, chain(*steps))
    desk.servers.answers["crm__people"] = [text(said)]
    answer = await ada.call("call_tool", tool=T)
    assert not answer["failed"]
    assert desk.servers.calls[-1][2] == {"text": said[:64_000]}


@ON_SQLITE
async def test_huge_results_are_neither_passed_on_nor_given(
    workspace: Workspace, desk: ToolDesk, ada: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = (
        {"id": "a", "call": "crm__people"},
        {"id": "b", "call": "chat__post", "with": {"text": "${{ steps.a.result }}" * 20}},
    )
    await push(workspace, chain(*steps))
    await desk.set("crm__people", max_bytes=2_000_000)
    picture = ImagePart("iVBORw0KGgo=", "image/png")
    desk.servers.answers["crm__people"] = [ToolResult((TextPart("x" * 100_000), picture))]
    answer = await ada.call("call_tool", tool=T)
    assert answer["failed"]
    assert "The step b failed: its arguments have more than 262144 characters" in answer["text"]
    assert answer["left_out"] == ["a: images and sounds are not passed on"]
    await push(workspace, chain(steps[0], result={"all": ["${{ steps.a.result }}"] * 2}))
    desk.servers.answers["crm__people"] = [text("x" * 100_000)]
    answer = await ada.call("call_tool", tool=T)
    assert len(answer["text"]) == 64_000
    assert answer["structured"] is None
    monkeypatch.setattr(running, "MOST_RESULTS", 100)
    desk.servers.answers["crm__people"] = [text("x" * 101)]
    answer = await ada.call("call_tool", tool=T)
    assert "The step a failed: the results have more than 100 characters together" in answer["text"]


class SlowServers(PlayedServers):
    """`begun`: set when a call waits, which it does until `may_end`."""

    def __init__(self, desk: ToolDesk, tool: str) -> None:
        super().__init__(names=desk.servers.names)
        self.tool, self.begun, self.may_end = tool, asyncio.Event(), asyncio.Event()
        self.at_once, self.most_at_once = 0, 0

    async def call_tool(self, spec: ServerSpec, tool: str, *args: Any, **kw: Any) -> ToolResult:
        answer = await super().call_tool(spec, tool, *args, **kw)
        if tool == self.tool:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            self.begun.set()
            await self.may_end.wait()
            self.at_once -= 1
        return answer


def _slow(desk: ToolDesk, tool: str) -> SlowServers:
    servers = SlowServers(desk, tool)
    desk.servers = servers
    desk.__post_init__()
    return servers


async def test_a_chain_that_was_cut_off_sends_nothing_twice(
    workspace: Workspace, desk: ToolDesk, ada: Agent
) -> None:
    steps = (
        {"id": "a", "call": "crm__people"},
        {"id": "b", "call": "chat__post", "needs": ["a"]},
        {"id": "c", "call": "jira__search", "needs": ["b"]},
    )
    await push(workspace, chain(*steps))
    servers = _slow(desk, "post")
    call = asyncio.create_task(ada.call("call_tool", tool=T, key="k"))
    await servers.begun.wait()
    # Another process, as after a restart: it knows nothing of the call that runs.
    other = Agent(Dispatcher(desk.store, desk.dispatcher.shared), ada.actor)
    refused = await other.refusal("call_tool", tool=T, key="k")
    assert refused.code == "outcome_unknown"
    assert [each[1] for each in servers.calls] == ["people", "post"]
    servers.may_end.set()
    assert not (await call)["failed"]
    assert (await other.call("call_tool", tool=T, key="k"))["text"] == (await call)["text"]
    assert [each[1] for each in servers.calls] == ["people", "post", "search"]


@ON_SQLITE
async def test_many_steps_are_called_side_by_side_up_to_a_bound(
    workspace: Workspace, desk: ToolDesk, ada: Agent
) -> None:
    await push(workspace, chain(*({"id": f"s{n}", "call": "chat__post"} for n in range(20))))
    servers = _slow(desk, "post")
    call = asyncio.create_task(ada.call("call_tool", tool=T))
    await servers.begun.wait()
    servers.may_end.set()
    answer = await call
    assert len(answer["structured"]) == 20
    assert servers.most_at_once == rounds.MOST_AT_ONCE


@ON_SQLITE
async def test_the_time_of_the_whole_is_bounded(
    workspace: Workspace, desk: ToolDesk, ada: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = (
        {"id": "a", "call": "crm__people"},
        {"id": "b", "call": "jira__search", "needs": ["a"]},
    )
    await push(workspace, chain(*steps))
    servers, whole_s = _slow(desk, "search"), 0.2
    # On a busy machine the time may end before the second step has begun.
    while not servers.begun.is_set():
        monkeypatch.setattr(running, "WHOLE_S", whole_s)
        answer = await ada.call("call_tool", tool=T)
        whole_s *= 3
    assert answer["failed"]
    assert "The step b failed: jira__search" in answer["text"]
    assert "the time for all steps together is over" in answer["text"]
    monkeypatch.setattr(running, "WHOLE_S", 0.0)
    servers.calls.clear()
    answer = await ada.call("call_tool", tool=T)
    assert "Nothing was done" in answer["text"]
    assert servers.calls == []


@ON_SQLITE
async def test_a_server_cannot_have_the_name_of_composed_tools(desk: ToolDesk) -> None:
    refused = await desk.person().refusal(
        "manage_mount", mount="tools_rocket", action="add", url="https://x.example/mcp"
    )
    assert "small letters, digits and -" in refused.message


@ON_SQLITE
async def test_hostile_files_are_refused_with_their_lines(workspace: Workspace) -> None:
    many = [{"id": f"s{n}", "call": "a__b"} for n in range(10_000)]
    a, b = ({"id": x, "call": "a__b", "needs": [y]} for x, y in (("a", "b"), ("b", "a")))
    nested = {"id": "a", "call": "tools_rocket__other"}
    missing = {"id": "a", "call": "a__b", "with": {"x": "${{ steps.z.result }}"}}
    for file, why in (
        (chain(*many), "the limit is 65536"),
        (chain(*many[:21]), "must have at most 20"),
        (chain(a, b), "line 1: tools.triage.steps.0: waits for itself: a, b need each other"),
        (chain(nested), "must be a tool of a mounted server"),
        (chain(missing), "steps.z.result names no step"),
    ):
        await push(workspace, file)
        q = "SELECT problem FROM repository_settings WHERE installation_id = :i"
        (row,) = await workspace.rows(q)
        assert why in row["problem"]
