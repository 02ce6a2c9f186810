"""Any order, any duplication, any loss with redelivery: the mirror ends as GitHub is.

Hypothesis tells a history of people at work and of a network that does what it likes; steps that
cannot be done (a comment to edit where there is none) are passed over, so that what fails shrinks
to the few that matter. HUBBUB_EXAMPLES sets how many histories there are.
"""

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.fetch import backfill
from bot.inbox import worker
from fixtures.github import (
    Comment,
    Delivery,
    Issue,
    Person,
    Project,
    Pull,
    Repository,
    ReviewComment,
)
from fixtures.github.errors import GitHubError
from store.engine.transaction import Store
from store.fetch import backfills
from tests.support.engines import ON_MYSQL, ON_SQLITE
from tests.support.mirror_oracle import (
    boards_of_github,
    boards_of_mirror,
    builds_of_github,
    builds_of_mirror,
    of_github,
    of_mirror,
    relations_of_github,
    relations_of_mirror,
)
from tests.support.sampling import examples
from tests.support.story import Clock, Workspace, open_workspace

EXAMPLES = examples(8)
T = TypeVar("T")


@dataclass(frozen=True)
class Step:
    """`which` and `other` choose among what is there; `wait`: seconds that pass before."""

    deed: str
    which: int = 0
    other: int = 0
    wait: int = 0


class NothingThere(Exception):
    """There is nothing to do it to."""


def pick(found: Iterable[T], which: int) -> T:
    there = list(found)
    if not there:
        raise NothingThere
    return there[which % len(there)]


@dataclass
class Story:
    """`late`: deliveries that come at the very end."""

    workspace: Workspace
    here: Repository
    there: Repository
    mona: Person
    made: int = 0
    # Whether only issues without comments are transferred, and once: of two lost moves a read
    # finds no end, and comments that moved unheard are taken for deleted.
    moves_little: bool = False
    late: list[Delivery] = field(default_factory=list)

    @property
    def person(self) -> Person:
        return self.workspace.person

    @property
    def repositories(self) -> Sequence[Repository]:
        return (self.here, self.there)

    def name(self, kind: str) -> str:
        self.made += 1
        return f"{kind} {self.made}"

    def issues(self) -> list[Issue]:
        return [issue for each in self.repositories for issue in each.issues.values()]

    def issue(self, step: Step) -> Issue:
        return pick(self.issues(), step.which)

    def another(self, step: Step) -> Issue:
        return pick((i for i in self.issues() if i is not self.issue(step)), step.other)

    def pull(self, step: Step, *, is_open: bool = False) -> Pull:
        found = self.here.pulls.values()
        return pick((each for each in found if not is_open or each.state == "open"), step.which)

    def thread(self, step: Step) -> Issue:
        """An issue, or the issue half of a pull request."""
        return pick((t for each in self.repositories for t in each.threads.values()), step.which)

    def comment(self, step: Step) -> Comment:
        found = (c for each in self.repositories for c in each.comments.values())
        return pick(found, step.which)

    def review_comment(self, step: Step) -> ReviewComment:
        return pick(self.here.review_comments.values(), step.which)

    def first_comment(self, step: Step) -> ReviewComment:
        found = self.here.review_comments.values()
        return pick((each for each in found if each.in_reply_to is None), step.which)

    def branch(self, step: Step) -> str:
        return pick((each for each in self.here.branches if each != "main"), step.which)

    def project(self, step: Step) -> Project:
        found = self.workspace.github.world.projects
        return pick((each for each in found if each.owner is self.here.owner), step.which)

    def on_the_way(self) -> list[Delivery]:
        held = self.workspace.github.held_deliveries
        return [each for each in held if each.status_code is None and each not in self.late]


Deed = Callable[[Story, Step], object]
LABELS = ("agent-task", "bug", "docs")
REVIEWS = ("approved", "changes_requested", "commented")
STATUSES = ("Todo", "In Progress", "Done", None)
BRANCHES = ("1-mend", "work", "main")
CONCLUSIONS = ("success", "failure")


def open_issue(s: Story, step: Step) -> None:
    labels = [pick(LABELS, step.other)] if step.other else []
    s.person.open_issue(pick(s.repositories, step.which), s.name("Issue"), labels=labels)


def review(s: Story, step: Step) -> None:
    s.mona.review(s.pull(step), pick(REVIEWS, step.other), s.name("Review"))


def line_comment(s: Story, step: Step) -> None:
    s.mona.review_comment(s.pull(step), "engine.py", 1, s.name("Line"))


def resolve(s: Story, step: Step) -> None:
    """Nothing orders two of one second, and REST has no threads to ask for."""
    first = s.first_comment(step)
    s.workspace.clock.forward(1)
    (s.person.unresolve if first.resolved else s.person.resolve)(first)


def add_sub_issue(s: Story, step: Step) -> None:
    with suppress(GitHubError):
        s.person.add_sub_issue(s.issue(step), s.another(step), replace=True)


def remove_sub_issue(s: Story, step: Step) -> None:
    s.person.remove_sub_issue(pick((each for each in s.issues() if each.parent), step.which))


def block(s: Story, step: Step) -> None:
    with suppress(GitHubError):
        s.person.block(s.issue(step), s.another(step))


def unblock(s: Story, step: Step) -> None:
    blocked = pick((each for each in s.issues() if each.blocked_by), step.which)
    s.person.unblock(blocked, pick(blocked.blocked_by, step.other))


def transfer(s: Story, step: Step) -> None:
    issue = s.issue(step)
    came = [new for each in s.repositories for new in each.transferred.values()]
    if s.moves_little and (issue in came or issue.comments):
        raise NothingThere
    s.person.transfer_issue(issue, s.there if issue.repository is s.here else s.here)


def push(s: Story, step: Step) -> None:
    files: dict[str, str | None] = {"engine.py": s.name("line")}
    s.person.push(s.here, pick(BRANCHES, step.which), files, force=step.other == 1)


def open_pull(s: Story, step: Step) -> None:
    head = s.branch(step)
    body = "Fixes #1" if step.other == 1 else ""
    s.person.open_pull(s.here, title=s.name("Pull"), head=head, body=body, draft=step.other == 2)


def set_base(s: Story, step: Step) -> None:
    pull = s.pull(step, is_open=True)
    s.person.set_base(pull, pick((b for b in s.here.branches if b != pull.head), step.other))


def merge(s: Story, step: Step) -> None:
    s.person.merge(s.pull(step, is_open=True))


def draft(s: Story, step: Step) -> None:
    pull = s.pull(step, is_open=True)
    (s.person.ready_for_review if pull.draft else s.person.convert_to_draft)(pull)


def close(s: Story, step: Step) -> None:
    s.person.close(s.thread(step), pick(("completed", "not_planned"), step.other))


def reopen(s: Story, step: Step) -> None:
    thread = s.thread(step)
    if thread.pull is None:
        s.person.reopen(thread)


def lock(s: Story, step: Step) -> None:
    thread = s.thread(step)
    (s.person.unlock if thread.locked else s.person.lock)(thread)


def assign(s: Story, step: Step) -> None:
    thread = s.thread(step)
    (s.person.unassign if thread.assignees else s.person.assign)(thread, "octocat")


def label(s: Story, step: Step) -> None:
    s.person.add_label(s.thread(step), pick(LABELS, step.other))


def unlabel(s: Story, step: Step) -> None:
    thread = s.thread(step)
    s.person.remove_label(thread, pick(thread.labels, step.other).name)


def create_label(s: Story, step: Step) -> None:
    s.person.create_label(pick(s.repositories, step.which), s.name("label"))


def rename_label(s: Story, step: Step) -> None:
    repository = pick(s.repositories, step.which)
    found = pick(repository.labels.values(), step.other)
    s.person.edit_label(repository, found, name=s.name("label"))


def delete_label(s: Story, step: Step) -> None:
    repository = pick(s.repositories, step.which)
    s.person.delete_label(repository, pick(repository.labels.values(), step.other))


def create_milestone(s: Story, _: Step) -> None:
    s.person.create_milestone(s.here, s.name("Milestone"))


def set_milestone(s: Story, step: Step) -> None:
    thread = pick(s.here.threads.values(), step.which)
    found = pick(s.here.milestones.values(), step.other)
    s.person.set_milestone(thread, None if thread.milestone is found else found)


def delete_milestone(s: Story, step: Step) -> None:
    """Not the last: here, and not on GitHub, its number would be given again."""
    s.person.delete_milestone(s.here, pick([*s.here.milestones.values()][:-1], step.which))


def turn_milestone(s: Story, step: Step) -> None:
    found = pick(s.here.milestones.values(), step.which)
    turn = s.person.close_milestone if found.state == "open" else s.person.open_milestone
    turn(s.here, found)


def create_board(s: Story, _: Step) -> None:
    s.person.create_project("acme", s.name("Board"))


def put_on_board(s: Story, step: Step) -> None:
    s.person.add_to_project(s.project(step), s.thread(Step("", step.other)))


def set_status(s: Story, step: Step) -> None:
    found = pick(s.project(step).items.values(), step.which)
    s.person.set_status(found, pick(STATUSES, step.other))


def archive(s: Story, step: Step) -> None:
    found = pick(s.project(step).items.values(), step.which)
    (s.person.restore_item if found.archived_at else s.person.archive_item)(found)


def take_off_board(s: Story, step: Step) -> None:
    s.person.delete_item(pick(s.project(step).items.values(), step.other))


def start_check(s: Story, step: Step) -> None:
    sha = pick(s.here.branches.values(), step.which)
    s.workspace.github.ci.start_check(s.here, sha, pick(("lint", "test"), step.other))


def finish_check(s: Story, step: Step) -> None:
    suites = s.here.check_suites.values()
    jobs = {each.check for run in s.here.workflow_runs.values() for each in run.jobs}
    found = (each for suite in suites for each in suite.runs if each not in jobs)
    check = pick((each for each in found if each.progress.status == "in_progress"), step.which)
    s.workspace.github.ci.finish_check(check, pick(CONCLUSIONS, step.other))


def request_run(s: Story, step: Step) -> None:
    s.workspace.github.ci.request_run(s.here, pick(s.here.branches.values(), step.which))


def go_on_with_run(s: Story, step: Step) -> None:
    run, ci = pick(s.here.workflow_runs.values(), step.which), s.workspace.github.ci
    if run.status == "completed":
        ci.rerun(run)
    elif run.status == "queued":
        ci.start_run(run)
    else:
        ci.finish_run(run, pick(CONCLUSIONS, step.other))


def rename(s: Story, step: Step) -> None:
    repository = pick(s.repositories, step.which)
    s.person.rename(repository, s.name("name").replace(" ", "-"))


PEOPLE: dict[str, Deed] = {
    "open_issue": open_issue,
    "edit_title": lambda s, n: s.person.edit_issue(s.thread(n), title=s.name("Title")),
    "edit_body": lambda s, n: s.person.edit_issue(s.thread(n), body=s.name("Body")),
    "close": close,
    "reopen": reopen,
    "lock": lock,
    "set_type": lambda s, n: s.person.set_type(s.issue(n), pick(("Bug", None), n.other)),
    "delete_issue": lambda s, n: s.person.delete_issue(s.issue(n)),
    "transfer": transfer,
    "label": label,
    "unlabel": unlabel,
    "assign": assign,
    "set_milestone": set_milestone,
    "comment": lambda s, n: s.mona.comment(s.thread(n), s.name("Comment")),
    "edit_comment": lambda s, n: s.person.edit_comment(s.comment(n), s.name("Comment")),
    "delete_comment": lambda s, n: s.person.delete_comment(s.comment(n)),
    "add_sub_issue": add_sub_issue,
    "remove_sub_issue": remove_sub_issue,
    "block": block,
    "unblock": unblock,
    "push": push,
    "delete_branch": lambda s, n: s.person.delete_branch(s.here, s.branch(n)),
    "open_pull": open_pull,
    "draft": draft,
    "set_base": set_base,
    "review": review,
    "dismiss": lambda s, n: s.person.dismiss_review(pick(s.pull(n).reviews, n.other)),
    "edit_review": lambda s, n: s.person.edit_review(
        pick(s.pull(n).reviews, n.other), s.name("Review")
    ),
    "line_comment": line_comment,
    "reply": lambda s, n: s.person.reply(s.review_comment(n), s.name("Reply")),
    "edit_line": lambda s, n: s.person.edit_review_comment(s.review_comment(n), s.name("Line")),
    "delete_line": lambda s, n: s.person.delete_review_comment(s.review_comment(n)),
    "resolve": resolve,
    "merge": merge,
    "create_label": create_label,
    "rename_label": rename_label,
    "delete_label": delete_label,
    "create_milestone": create_milestone,
    "turn_milestone": turn_milestone,
    "delete_milestone": delete_milestone,
    "create_board": create_board,
    "rename_board": lambda s, n: s.person.rename_project(s.project(n), s.name("Board")),
    "delete_board": lambda s, n: s.person.delete_project(s.project(n)),
    "put_on_board": put_on_board,
    "set_status": set_status,
    "archive": archive,
    "take_off_board": take_off_board,
    "start_check": start_check,
    "finish_check": finish_check,
    "request_run": request_run,
    "go_on_with_run": go_on_with_run,
    "rename": rename,
}


async def arrive(s: Story, step: Step) -> None:
    await s.workspace.github.post(pick(s.on_the_way(), step.which))


async def arrive_again(s: Story, step: Step) -> None:
    held = s.workspace.github.held_deliveries
    await s.workspace.github.post(pick((each for each in held if each.status_code), step.which))


async def come_late(s: Story, step: Step) -> None:
    s.late.append(pick(s.on_the_way(), step.which))


async def work(s: Story, _: Step) -> None:
    await worker.step(s.workspace.store, s.workspace.dispatcher.shared)


async def send(s: Story, _: Step) -> None:
    s.workspace.clock.forward(await s.workspace.sender.step(s.workspace.installation.id) or 0)


NETWORK: dict[str, Callable[[Story, Step], Awaitable[None]]] = {
    "arrive": arrive,
    "arrive_again": arrive_again,
    "come_late": come_late,
    "work": work,
    "send": send,
}


async def do(s: Story, step: Step) -> None:
    s.workspace.clock.forward(step.wait)
    with suppress(NothingThere):
        if step.deed in PEOPLE:
            PEOPLE[step.deed](s, step)
        else:
            await NETWORK[step.deed](s, step)


@asynccontextmanager
async def story(store: Store, clock: Clock) -> AsyncIterator[Story]:
    """Two repositories, known whole; from now on deliveries come when they are let."""
    async with open_workspace(store, clock, None) as workspace:
        there = workspace.github.repository("acme/pad")
        for full_name in ("acme/rocket", "acme/pad"):
            workspace.github.set_permission(full_name, "octocat", "admin")
            workspace.github.person("mona", permissions={full_name: "write"})
        workspace.github.add_repositories(workspace.installation, ["acme/pad"])
        await workspace.settle()
        while await backfill.begin_missing(workspace.store):
            await workspace.settle()
        made = Story(workspace, workspace.repository, there, workspace.github.person("mona"))
        await begin(made)
        workspace.github.hold_deliveries()
        yield made


async def begin(s: Story) -> None:
    """There is something of everything."""
    first = s.person.open_issue(s.here, "First", labels=["bug"])
    s.person.open_issue(s.there, "Second", "On the other side")
    s.mona.comment(first, "A comment")
    s.person.set_milestone(first, s.person.create_milestone(s.here, "Spring"))
    s.person.push(s.here, "1-mend", {"engine.py": "mended"})
    pull = s.person.open_pull(s.here, title="Mend it", head="1-mend", body="Fixes #1")
    s.mona.review_comment(pull, "engine.py", 1, "Why?")
    s.person.add_to_project(s.person.create_project("acme", "Board"), first)
    await s.workspace.settle()
    s.workspace.clock.forward(60)


async def all_arrives(s: Story, order: int) -> None:
    """What is on the way, in an order of its own, some of it twice; then what is late."""
    fate = random.Random(order)  # noqa: S311 - a test's dice
    rest = s.on_the_way()
    if order:
        rest = fate.choices(rest, k=len(rest)) + fate.sample(rest, len(rest)) if rest else []
    for each in (*rest, *reversed(s.late)):
        await s.workspace.github.post(each)
        if order and fate.random() < 0.3:
            await worker.step(s.workspace.store, s.workspace.dispatcher.shared)
        if order and fate.random() < 0.1:
            await send(s, Step("send"))
    await s.workspace.settle()


async def differences(s: Story) -> dict[str, tuple[set[Any], set[Any]]]:
    """What GitHub has and the mirror lacks, and what the mirror has and GitHub lacks."""
    pairs = [(boards_of_github(s.workspace.github), await boards_of_mirror(s.workspace))]
    for each in s.repositories:
        pairs.append((of_github(each), await of_mirror(s.workspace, each)))
        pairs.append((builds_of_github(each), await builds_of_mirror(s.workspace, each)))
    relations = (relations_of_github(s.workspace.github), await relations_of_mirror(s.workspace))
    pairs.append(({"relations": set(relations[0])}, {"relations": set(relations[1])}))
    return {
        name: (theirs[name] - ours[name], ours[name] - theirs[name])
        for theirs, ours in pairs
        for name in theirs
        if theirs[name] != ours[name]
    }


STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from([*PEOPLE, *NETWORK, "arrive", "arrive", "work", "work", "send"]),
        st.integers(0, 7),
        st.integers(0, 3),
        st.sampled_from([0, 0, 0, 1, 2]),
    ),
    max_size=40,
)
HISTORIES = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None
)


@pytest.mark.timeout(max(180, 10 * EXAMPLES))
@ON_SQLITE
@HISTORIES
@given(steps=STEPS, order=st.integers(0, 99))
async def test_however_deliveries_arrive_the_mirror_ends_as_github_is(
    store: Store, clock: Clock, steps: list[Step], order: int
) -> None:
    await all_comes_in_some_order(store, clock, steps, order)


@pytest.mark.timeout(max(180, 10 * EXAMPLES))
@ON_MYSQL
@settings(HISTORIES, max_examples=examples(2))
@given(steps=STEPS, order=st.integers(0, 99))
async def test_however_deliveries_arrive_the_mirror_ends_as_github_is_on_mysql(
    store: Store, clock: Clock, steps: list[Step], order: int
) -> None:
    await all_comes_in_some_order(store, clock, steps, order)


async def all_comes_in_some_order(
    store: Store, clock: Clock, steps: list[Step], order: int
) -> None:
    async with story(store, clock) as s:
        for step in steps:
            await do(s, step)
        await all_arrives(s, order)
        assert await differences(s) == {}


# What a backfill does not see: a new name of the repository, what is gone from a board or from the
# lines of a pull request, and what is told by webhooks alone.
UNFETCHED = {
    "repository",
    "review_comments",
    "items",
    "check_runs",
    "workflow_runs",
    "workflow_jobs",
    "resolved_threads",
}


async def most_is_lost(s: Story, order: int) -> None:
    """And nobody ever sends it again; then everything is fetched."""
    fate = random.Random(order)  # noqa: S311 - a test's dice
    for each in s.on_the_way():
        if fate.random() < 0.3:
            await s.workspace.github.post(each)
    await s.workspace.settle()
    # An empty list says nothing of what was in it.
    for repository in s.repositories:
        s.mona.comment(s.person.open_issue(repository, "Another"), "And another")
    s.workspace.clock.forward(60)
    await s.workspace.store.write(lambda tx: backfills.forget(tx, s.workspace.installation.id))
    await s.workspace.begin_backfill()
    await s.workspace.settle()


@pytest.mark.timeout(max(180, 10 * EXAMPLES))
@ON_SQLITE
@settings(HISTORIES, max_examples=(EXAMPLES + 1) // 2)
@given(steps=STEPS, order=st.integers(0, 99))
async def test_whatever_is_lost_for_good_a_backfill_makes_the_mirror_as_github_is(
    store: Store, clock: Clock, steps: list[Step], order: int
) -> None:
    await much_is_lost(store, clock, steps, order)


@pytest.mark.timeout(max(180, 10 * EXAMPLES))
@ON_MYSQL
@settings(HISTORIES, max_examples=examples(1))
@given(steps=STEPS, order=st.integers(0, 99))
async def test_whatever_is_lost_for_good_a_backfill_makes_the_mirror_as_github_is_on_mysql(
    store: Store, clock: Clock, steps: list[Step], order: int
) -> None:
    await much_is_lost(store, clock, steps, order)


async def much_is_lost(store: Store, clock: Clock, steps: list[Step], order: int) -> None:
    async with story(store, clock) as s:
        s.moves_little = True
        for step in steps:
            await do(s, step)
        await most_is_lost(s, order)
        found = await differences(s)
        assert {name: both for name, both in found.items() if name not in UNFETCHED} == {}


async def deliver(workspace: Workspace, *order: int) -> None:
    """What is held comes in that order, each processed before the next; then reads are answered."""
    held = [each for each in workspace.github.held_deliveries if each.status_code is None]
    for n in order or range(len(held)):
        await workspace.github.post(held[n])
        await worker.step(workspace.store, workspace.dispatcher.shared)
    workspace.github.release_deliveries()
    await workspace.settle()


@pytest.fixture
async def begun_story(store: Store, clock: Clock) -> AsyncIterator[Story]:
    async with story(store, clock) as s:
        yield s


async def test_a_label_that_is_renamed_is_renamed_on_its_issues(begun_story: Story) -> None:
    s = begun_story
    rename_label(s, Step("rename_label"))
    await deliver(s.workspace)
    assert await differences(s) == {}


async def test_a_label_or_milestone_that_is_deleted_is_on_no_issue(begun_story: Story) -> None:
    s = begun_story
    create_milestone(s, Step("create_milestone"))
    delete_label(s, Step("delete_label"))
    delete_milestone(s, Step("delete_milestone"))
    await deliver(s.workspace)
    assert await differences(s) == {}


async def test_boards_and_relations_go_along_with_a_transferred_issue(begun_story: Story) -> None:
    s = begun_story
    add_sub_issue(s, Step("add_sub_issue"))
    block(s, Step("block", 1))
    transfer(s, Step("transfer"))
    await deliver(s.workspace)
    assert await differences(s) == {}


async def test_an_issue_that_was_transferred_twice_is_where_it_is(begun_story: Story) -> None:
    s = begun_story
    add_sub_issue(s, Step("add_sub_issue"))
    transfer(s, Step("transfer"))
    transfer(s, Step("transfer", 5))
    await deliver(s.workspace)
    assert await differences(s) == {}


async def test_a_review_that_changed_twice_within_a_second_is_as_it_was_left(
    begun_story: Story,
) -> None:
    s = begun_story
    (given,) = s.pull(Step("")).reviews
    s.person.edit_review(given, "In other words")
    s.person.dismiss_review(given)
    edited, dismissed = (
        n for n, each in enumerate(s.workspace.github.held_deliveries) if "review" in each.event
    )
    await deliver(s.workspace, dismissed, edited)
    assert await differences(s) == {}


async def test_a_run_that_begins_anew_within_a_second_is_not_over(begun_story: Story) -> None:
    s, ci = begun_story, begun_story.workspace.github.ci
    run = ci.request_run(s.here, s.here.branches["main"])
    ci.finish_run(run)
    ci.rerun(run)
    await deliver(s.workspace)
    assert await differences(s) == {}


async def test_a_list_keeps_its_filters_on_the_way_to_a_renamed_repository(
    begun_story: Story,
) -> None:
    s = begun_story
    turn_milestone(s, Step("turn_milestone"))
    rename(s, Step("rename"))
    await most_is_lost(s, 0)
    assert (await differences(s)).keys() <= UNFETCHED
