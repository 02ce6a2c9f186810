"""Whatever three agents do with contexts, they see what a few lists in Python say they see.

Hypothesis tells the story; each deed is done here and in the model, and both must answer alike.
HUBBUB_EXAMPLES sets how many stories there are.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.dispatch.dispatcher import Dispatcher
from bot.errors import Refused
from bot.identity.actors import Actor
from bot.identity.keyring import Keys
from bot.kernel.operation import Shared
from store.engine.transaction import Store
from store.tables.agents import Role
from tests.support.sampling import examples
from tests.support.story import Agent

EXAMPLES = examples(8)
WHO: list[tuple[str, Role]] = [("ada", "developer"), ("bob", "tester"), ("cleo", "tech-lead")]
GRANTEES = ("ada", "bob", "cleo", "everybody", "role:tester", "role:developer")
ACCESS = ("none", "read", "write", "share")


@dataclass(frozen=True)
class Step:
    """`which` and `other` choose among what is there."""

    deed: str
    who: int
    which: int
    other: int


@dataclass
class Document:
    """A context as the model has it."""

    id: str
    owner: str
    text: bool
    versions: list[Any]
    authors: list[str]
    grants: dict[str, str] = field(default_factory=dict)

    def may(self, name: str) -> str:
        role = dict(WHO)[name]
        if name == self.owner or role == "tech-lead":
            return "share"
        names = [
            name,
            "everybody",
            "role:tester",
            *(["role:developer"] if role == "developer" else []),
        ]
        return max((self.grants.get(each, "none") for each in names), key=ACCESS.index)

    def refuses(self, name: str, needs: str) -> str | None:
        """The code of the refusal, or None."""
        has = self.may(name)
        if has == "none":
            return "unknown_context"
        return "forbidden" if ACCESS.index(has) < ACCESS.index(needs) else None

    def add(self, content: Any, author: str) -> None:
        self.versions.append(content)
        self.authors.append(author)


@dataclass
class Story:
    agents: list[Agent]
    documents: list[Document] = field(default_factory=list)
    # Author, id, members.
    snapshots: list[tuple[str, str, dict[str, int]]] = field(default_factory=list)
    made: int = 0

    def content(self, *, text: bool) -> Any:
        self.made += 1
        return f"text {self.made}" if text else {"n": [self.made]}

    def document(self, step: Step) -> Document | None:
        return self.documents[step.which % len(self.documents)] if self.documents else None

    def of(self, context_id: str) -> Document:
        return next(each for each in self.documents if each.id == context_id)


async def answer_or_code(who: Agent, operation: str, **arguments: Any) -> Any:
    """The answer, or the code of the refusal."""
    try:
        return await who.call(operation, **arguments)
    except Refused as exc:
        return exc.code


async def create(s: Story, who: Agent, step: Step) -> None:
    text = step.other % 2 == 0
    content = s.content(text=text)
    answer = await who.call("create_context", name=f"n{step.which}", content=content)
    name = who.actor.name
    s.documents.append(Document(answer["context"]["id"], name, text, [content], [name]))


async def update(s: Story, who: Agent, step: Step) -> None:
    if (one := s.document(step)) is None:
        return
    newest, name = len(one.versions), who.actor.name
    expected = newest if step.other < 4 else step.other
    content = s.content(text=one.text)
    given_ = {"context_id": one.id, "content": content, "expected_version": expected}
    answer = await answer_or_code(who, "update_context", **given_)
    refused = one.refuses(name, "write")
    if refused is None and expected != newest:
        refused = "version_conflict"
    if refused is None:
        one.add(content, name)
        assert answer["context"]["version"] == len(one.versions)
    else:
        assert answer == refused


async def race(s: Story, _: Agent, step: Step) -> None:
    """All three at once, on top of the same version."""
    if (one := s.document(step)) is None:
        return
    contents = [s.content(text=one.text) for _ in s.agents]
    same = {"context_id": one.id, "expected_version": len(one.versions)}
    asked = zip(s.agents, contents, strict=True)
    answers = await asyncio.gather(
        *(answer_or_code(a, "update_context", content=c, **same) for a, c in asked)
    )
    able = [n for n, each in enumerate(s.agents) if not one.refuses(each.actor.name, "write")]
    won = [n for n, answer in enumerate(answers) if isinstance(answer, dict)]
    assert len(won) == min(1, len(able))
    for n, answer in enumerate(answers):
        if n not in won:
            name = s.agents[n].actor.name
            assert answer == (one.refuses(name, "write") or "version_conflict")
    for n in won:
        one.add(contents[n], s.agents[n].actor.name)


async def share(s: Story, who: Agent, step: Step) -> None:
    if (one := s.document(step)) is None:
        return
    to = GRANTEES[step.other % len(GRANTEES)]
    access = ACCESS[step.other % 3]
    answer = await answer_or_code(who, "share_context", context_id=one.id, to=to, access=access)
    refused = one.refuses(who.actor.name, "share")
    if refused is None and to == one.owner:
        refused = "invalid_arguments"
    if refused is not None:
        assert answer == refused
        return
    one.grants[to] = access
    grants = {each["to"]: each["access"] for each in answer["grants"]}
    assert grants == {k: v for k, v in one.grants.items() if v != "none"}


async def restore(s: Story, who: Agent, step: Step) -> None:
    if (one := s.document(step)) is None:
        return
    version, name = step.other + 1, who.actor.name
    answer = await answer_or_code(who, "restore_context", context_id=one.id, version=version)
    refused = one.refuses(name, "write")
    if refused is None and version > len(one.versions):
        refused = "unknown_context"
    if refused is not None:
        assert answer == refused
        return
    if version != len(one.versions):
        one.add(one.versions[version - 1], name)
    assert [each["version"] for each in answer["contexts"]] == [len(one.versions)]


async def snapshot(s: Story, who: Agent, step: Step) -> None:
    chosen = s.documents[step.which % 2 :: 2]
    if not chosen:
        return
    ids, name = [each.id for each in chosen], who.actor.name
    answer = await answer_or_code(who, "snapshot_contexts", name="all", context_ids=ids)
    if any(each.refuses(name, "read") for each in chosen):
        assert answer == "unknown_context"
        return
    members = {each.id: len(each.versions) for each in chosen}
    assert answer["snapshot"]["members"] == members
    s.snapshots.append((name, answer["snapshot"]["id"], members))


async def restore_snapshot(s: Story, who: Agent, step: Step) -> None:
    if not s.snapshots:
        return
    name = who.actor.name
    _, snapshot_id, members = s.snapshots[step.which % len(s.snapshots)]
    answer = await answer_or_code(who, "restore_context", snapshot_id=snapshot_id)
    seen = {k: v for k, v in members.items() if not s.of(k).refuses(name, "read")}
    if not seen or any(s.of(each).refuses(name, "write") for each in seen):
        assert answer == ("forbidden" if seen else "unknown_context")
        return
    for context_id, version in seen.items():
        one = s.of(context_id)
        if version != len(one.versions):
            one.add(one.versions[version - 1], name)
    assert {each["id"]: each["version"] for each in answer["contexts"]} == {
        each: len(s.of(each).versions) for each in seen
    }


async def get(s: Story, who: Agent, step: Step) -> None:
    if (one := s.document(step)) is None:
        return
    version = step.other or len(one.versions)
    more = {"version": step.other} if step.other else {}
    answer = await answer_or_code(who, "get_context", context_id=one.id, **more)
    refused = one.refuses(who.actor.name, "read")
    if refused is None and version > len(one.versions):
        refused = "unknown_context"
    if refused is not None:
        assert answer == refused
        return
    assert answer["content"] == one.versions[version - 1]
    assert answer["version"]["author"] == one.authors[version - 1]
    assert answer["context"]["access"] == one.may(who.actor.name)
    assert answer["broken"] == []


DEEDS: dict[str, Callable[[Story, Agent, Step], Awaitable[None]]] = {
    "create": create,
    "update": update,
    "race": race,
    "share": share,
    "restore": restore,
    "snapshot": snapshot,
    "restore_snapshot": restore_snapshot,
    "get": get,
}
STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from([*DEEDS, "create", "update", "share", "share"]),
        st.integers(0, 2),
        st.integers(0, 3),
        st.integers(0, 5),
    ),
    max_size=40,
)


@pytest.mark.timeout(max(180, 5 * EXAMPLES))
@settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None
)
@given(steps=STEPS)
async def test_contexts_are_what_the_model_says(store: Store, steps: list[Step]) -> None:
    dispatcher, installation_id = (
        Dispatcher(store, Shared(Keys("k" * 40))),
        secrets.randbelow(2**52),
    )
    story = Story([Agent(dispatcher, Actor(installation_id, *each)) for each in WHO])
    for each in story.agents:
        await each.call("register_agent", agent_id=each.actor.name, name="one of three")
    for step in steps:
        await DEEDS[step.deed](story, story.agents[step.who], step)
    for each in story.agents:
        await everything_is_seen(story, each)


async def everything_is_seen(s: Story, who: Agent) -> None:
    """And nothing else; each version as it was."""
    name = who.actor.name
    mine = [one for one in s.documents if not one.refuses(name, "read")]
    listed, cursor = [], None
    while True:
        page = await who.call("list_contexts", limit=3, cursor=cursor)
        listed += [(each["id"], each["owner"], each["version"]) for each in page["contexts"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert listed == sorted((one.id, one.owner, len(one.versions)) for one in mine)
    for one in mine:
        told = await who.call("get_context", context_id=one.id, history=True)
        assert [each["author"] for each in reversed(told["history"])] == one.authors
        for number, content in enumerate(one.versions, 1):
            read = await who.call("get_context", context_id=one.id, version=number)
            assert read["content"] == content
    taken = await who.call("list_contexts", snapshots=True, limit=100)
    theirs = {id_ for author, id_, _ in s.snapshots if name in (author, "cleo")}
    assert {each["id"] for each in taken["snapshots"]} == theirs
