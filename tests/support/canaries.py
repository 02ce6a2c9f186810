"""Repositories whose every text, name and id is a canary: it must not appear where it is foreign.

A `Side` is one repository of an installation with everything that belongs to it. Its word stands in
all its texts and names, and its digits in all its numbers. All words have the same length, and so
have the digits, so that answers about two sides can be compared letter by letter.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.agents import checkpoints
from bot.contexts import encryption
from bot.github.git_objects import Entry
from bot.identity.keyring import Keys
from bot.kernel.event_kinds import KINDS
from bot.messages.notice_parts import URGENCY
from bot.mirror import code
from store.engine import json_text
from store.engine.transaction import Tx
from store.mirror import search_index
from store.outbox import writes
from store.outbox.budgets import HOUR
from store.tables import TABLES
from store.tables.columns import Column, Default, Json, Text

SECOND = 1_000_000
# The agent whose token is bound, and another one of its installation.
ME, OTHER = "ada", "eve"


@dataclass(frozen=True)
class Side:
    """`k` tells the tasks of a side apart; see `TASKS`."""

    word: str
    digits: int
    installation_id: int
    # An agent that holds task 10 here, and none elsewhere.
    only_holder: str | None = None
    # Whether ME is the agent whose token is bound, and not one of the same name elsewhere.
    is_ours: bool = True

    @property
    def repository_id(self) -> int:
        return self.digits * 100 + 1

    @property
    def full_name(self) -> str:
        return f"{self.word}-org/{self.word}-repo"

    @property
    def sha(self) -> str:
        return f"{self.digits}" * 8

    @property
    def older_sha(self) -> str:
        return f"{self.digits}" * 7 + "0000a"

    @property
    def branch(self) -> str:
        return f"{self.word}-branch"

    @property
    def path(self) -> str:
        return f"{self.word}/{self.word}.py"

    @property
    def pull(self) -> int:
        return self.number(50)

    @property
    def login(self) -> str:
        return f"{self.word}-login"

    def number(self, k: int) -> int:
        return self.digits * 100 + k

    def row_id(self, k: int) -> int:
        return self.digits * 1_000_000 + k

    def name(self, k: int) -> str:
        return f"{self.full_name}#{self.number(k)}"

    def id(self, letter: str, k: int) -> str:
        return f"{letter}_{self.word}{self.digits}{k:09}"

    def text(self, what: str) -> str:
        return f"{self.word} {what}"

    @property
    def canaries(self) -> tuple[str, ...]:
        return self.word, str(self.digits)

    def neutral(self, text: str) -> str:
        """The text with stand-ins for what is this side's own."""
        words = text.replace(self.word, "WORD").replace(self.word.upper(), "WORD")
        return words.replace(str(self.digits), "DIGITS")


# The tasks of a side: the state, who holds it (me, other or nobody) and what else is particular.
TASKS: dict[int, dict[str, Any]] = {
    1: {"state": "pending"},
    2: {"state": "in_progress", "holder": "me", "lease": {"known": 0}},
    3: {"state": "in_progress", "holder": "other"},
    4: {"state": "pending"},  # blocked, see `relate`
    5: {"state": "pending", "held": 1, "stuck_at": "now"},
    6: {"state": "completed", "last_holder": "me"},
    7: {"state": "in_review", "holder": "me", "lease": {"state": "parked", "expires_at": None}},
    8: {"state": "assigned", "assigned_to": "me"},
    9: {"state": "failed", "last_holder": "other"},
    10: {"state": "in_progress", "holder": "only"},
}
# Columns with a meaning of their own: they hold no text that a canary could stand in.
MEANINGS: dict[str, Mapping[str, Any]] = {
    "repositories": {"private": 1, "selected": 1, "default_branch": "main"},
    "issues": {"state": "open", "author_association": "MEMBER", "state_reason": None},
    "pull_requests": {"state": "open", "author_association": "MEMBER", "base_ref": "main"},
    "comments": {"author_association": "MEMBER"},
    "reviews": {"state": "approved", "author_association": "MEMBER"},
    "review_comments": {"author_association": "MEMBER", "line": 1},
    "milestones": {"state": "open"},
    "permissions": {"permission": "admin"},
    "check_runs": {"status": "completed", "conclusion": "failure"},
    "workflow_runs": {"status": "in_progress", "conclusion": None},
    "workflow_jobs": {"status": "completed", "conclusion": "failure"},
    "deliveries": {"state": "dead", "outcome": None},
    "backfills": {"state": "queued", "part": "issues", "expected": 100, "next_page": None},
    "leases": {"state": "held", "lease_s": 900, "ended_why": None, "known": 2},
    "verdicts": {"verdict": "approved"},
    "context_grants": {"access": "write"},
    "contexts": {"kind": "text", "version": 1},
}


def _value(side: Side, column: Column, now: int) -> Any:
    """A canary where the column takes one. Times are now."""
    if column.name == "version":
        return "0"
    if column.type is str:
        longest = next((m.length for m in column.marks if isinstance(m, Text)), 500)
        return side.text(column.name).replace(" ", "-")[:longest]
    if column.type is Json:
        return json_text.text([side.text(column.name)])
    if column.nullable:
        return None
    if column.type is int:
        return now if column.name.endswith("_at") else 0
    return side.text(column.name).encode()


async def insert(tx: Tx, side: Side, table: str, **given: Any) -> dict[str, Any]:
    """Insert a row of a side. What is not given is a canary, or has the column's default."""
    now = await tx.now()
    meanings = MEANINGS.get(table, {})
    row: dict[str, Any] = {}
    for column in TABLES[table].columns:
        is_free = column.type is str or column.name == "deleted"
        if column.name in given:
            row[column.name] = given[column.name]
        elif column.name in meanings:
            row[column.name] = meanings[column.name]
        elif column.name == "installation_id":
            row[column.name] = side.installation_id
        elif column.name == "repository_id":
            row[column.name] = side.repository_id
        elif is_free or not any(isinstance(mark, Default) for mark in column.marks):
            row[column.name] = _value(side, column, now)
    json_columns = {c.name for c in TABLES[table].columns if c.type is Json}
    stored = {
        name: json_text.text(each)
        if name in json_columns and each is not None and not isinstance(each, str)
        else each
        for name, each in row.items()
    }
    names = ", ".join(stored)
    places = ", ".join(f":{name}" for name in stored)
    await tx.run(f"INSERT INTO {table} ({names}) VALUES ({places})", **stored)
    return stored


async def fill(tx: Tx, side: Side, keys: Keys) -> None:
    """Insert the side's repository with rows in every table that belongs to a repository."""
    await insert(
        tx,
        side,
        "repositories",
        id=side.repository_id,
        full_name=side.full_name,
        full_name_key=side.full_name,
    )
    for k, task in TASKS.items():
        await _task(tx, side, k, task)
    await _pull(tx, side)
    await _code(tx, side)
    await _traffic(tx, side)
    await _writes(tx, side)
    await _messages(tx, side)
    await _contexts(tx, side, keys)
    await _events(tx, side)


async def _task(tx: Tx, side: Side, k: int, task: dict[str, Any]) -> None:
    now = await tx.now()
    issue = await insert(
        tx,
        side,
        "issues",
        id=side.row_id(k),
        number=side.number(k),
        labels=["agent-task", side.text("label")],
        assignees=[side.login],
        node_id=f"I_{side.word}{k}",
        author=side.login,
    )
    await search_index.index(tx, "issues", issue)
    comment = await insert(
        tx,
        side,
        "comments",
        id=side.row_id(100 + k),
        number=side.number(k),
        author=side.login,
    )
    await search_index.index(tx, "comments", comment)
    who = {"me": ME, "other": OTHER, "only": side.only_holder}
    lease = side.id("l", k) if who.get(task.get("holder", "")) else None
    named = {name: who.get(task.get(name, "")) for name in ("holder", "last_holder", "assigned_to")}
    await insert(
        tx,
        side,
        "tasks",
        id=side.id("t", k),
        issue_id=side.row_id(k),
        number=side.number(k),
        title=issue["title"],
        state=task["state"],
        held=task.get("held", 0),
        priority=1,
        capabilities=[],
        lease_id=lease,
        fence=k,
        pull_number=side.pull if k == 7 else None,
        branch=side.branch if k == 7 else None,
        stuck_at=now if "stuck_at" in task else None,
        assigned_at=now if named["assigned_to"] else None,
        size=1,
        **named,
    )
    if lease:
        given = {"expires_at": now + 100 * SECOND, **task.get("lease", {})}
        await insert(
            tx,
            side,
            "leases",
            id=lease,
            task_id=side.id("t", k),
            holder=named["holder"],
            fence=k,
            paths=[f"{side.word}/", "shared/"],
            granted_at=now - 120 * SECOND,
            renewed_at=now,
            **given,
        )


async def _pull(tx: Tx, side: Side) -> None:
    """A pull request of task 7, with reviews and checks."""
    pull = await insert(
        tx,
        side,
        "pull_requests",
        id=side.row_id(50),
        number=side.pull,
        head_ref=side.branch,
        head_sha=side.sha,
        labels=[side.text("label")],
        assignees=[side.login],
        body=f"Closes #{side.number(7)}. {side.text('body')}",
        author=side.login,
    )
    await search_index.index(tx, "pull_requests", pull)
    await insert(
        tx,
        side,
        "pull_links",
        pull_number=side.pull,
        issue_repository="",
        issue_number=side.number(7),
        how="closes",
    )
    await insert(
        tx,
        side,
        "pull_files",
        number=side.pull,
        head_sha=side.sha,
        files=[
            {"path": side.path, "status": "modified"},
            {"path": "shared/a.py", "status": "added"},
        ],
        whole=1,
    )
    review = await insert(
        tx, side, "reviews", id=side.row_id(51), number=side.pull, commit_id=side.sha
    )
    await search_index.index(tx, "reviews", review)
    comment = await insert(
        tx,
        side,
        "review_comments",
        id=side.row_id(52),
        number=side.pull,
        review_id=side.row_id(51),
        path=side.path,
        commit_id=side.sha,
    )
    await search_index.index(tx, "review_comments", comment)
    await insert(
        tx,
        side,
        "review_threads",
        node_id=f"PRRT_{side.word}",
        number=side.pull,
        comment_id=side.row_id(52),
    )
    await insert(tx, side, "verdicts", write_id=side.id("w", 60), number=side.pull, reviewer=ME)
    await insert(tx, side, "check_runs", id=side.row_id(53), head_sha=side.sha)
    await insert(
        tx,
        side,
        "workflow_runs",
        id=side.row_id(54),
        head_sha=side.sha,
        head_branch=side.branch,
    )
    await insert(tx, side, "workflow_jobs", id=side.row_id(55), run_id=side.row_id(54))
    await insert(tx, side, "labels", id=side.row_id(56), name=side.text("label"))
    await insert(tx, side, "milestones", id=side.row_id(57), number=side.number(57))


async def _code(tx: Tx, side: Side) -> None:
    here = (side.installation_id, side.repository_id)
    content = side.text("code\n").encode()
    file = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()  # noqa: S324 - git's
    folder, root = f"{side.digits}" * 7 + "0000b", f"{side.digits}" * 7 + "0000c"
    for sha in (side.sha, side.older_sha):
        await code.put_commit(tx, here, sha, root)
    folders = {
        root: [Entry(side.word, "040000", folder)],
        folder: [Entry(f"{side.word}.py", "100644", file, len(content))],
    }
    await code.put_folders(tx, here, folders)
    await code.put_blobs(tx, here, [content])
    diff: code.Diff = {
        "files": [
            {
                "path": side.path,
                "previous": None,
                "status": "modified",
                "additions": 1,
                "deletions": 0,
                "patch": f"@@ -0,0 +1 @@\n+{side.text('code')}",
            }
        ],
        "whole": True,
        "merge_base": side.older_sha,
    }
    for key in (
        code.comparison_key(side.older_sha, side.sha),
        code.comparison_key("main", side.branch),
        code.pull_key(side.pull, "main", side.sha),
    ):
        await code.put_diff(tx, here, key, diff)
    await code.put_name(tx, here, f"{side.word}-tag", side.sha)
    await insert(tx, side, "refs", name="main", sha=side.older_sha)
    await insert(tx, side, "refs", name=side.branch, sha=side.sha)


async def _traffic(tx: Tx, side: Side) -> None:
    """What came from GitHub, and what is still to be read there."""
    await insert(
        tx,
        side,
        "repository_settings",
        settings={"task_label": "agent-task"},
        sha=side.sha,
        problem_sha=side.older_sha,
    )
    await insert(tx, side, "permissions", login_key=side.login, person_id=side.row_id(60))
    await insert(tx, side, "deliveries", guid=f"{side.word}-guid")
    await insert(tx, side, "deliveries", guid=f"{side.word}-late", state="failed")
    await insert(tx, side, "lost_deliveries", guid=f"{side.word}-lost", delivery_id=side.row_id(61))
    await insert(
        tx,
        side,
        "commands",
        source_kind="comment",
        source_id=side.row_id(101),
        nth=1,
        number=side.number(1),
        state="waiting",
    )
    await insert(tx, side, "pending_reads", kind="issue", state="queued", asker=ME)
    await insert(tx, side, "backfills", not_before=await tx.now() + 3600 * SECOND)
    await insert(
        tx,
        side,
        "transfers",
        number=side.number(90),
        new_repository_id=side.repository_id,
        new_number=side.number(91),
    )


# The states of writes, each once for ME and once for the other agent.
STATES = ("queued", "sent", "refused", "dead", "unknown", "cancelled")


async def _writes(tx: Tx, side: Side) -> None:
    now = await tx.now()
    for n, (author, state) in enumerate((a, s) for a in (ME, OTHER) for s in STATES):
        of_task = 2 if author == ME else 3
        await insert(
            tx,
            side,
            "writes",
            id=side.id("w", n),
            seq=side.number(n),
            kind="comment",
            target=writes.on_issue(side.repository_id, side.number(of_task)),
            arguments={"number": side.number(of_task), "body": side.text("body")},
            author=author,
            task_id=side.id("t", of_task),
            lease_id=side.id("l", of_task),
            state=state,
            result={"comment_id": side.row_id(70 + n), "url": side.text("url")},
            error={"code": "forbidden", "message": side.text("error")},
            finished_at=now,
            sending_at=now,
        )
    await insert(tx, side, "planned_relations", task_id=side.id("t", 4), write_id=side.id("w", 0))


async def _messages(tx: Tx, side: Side) -> None:
    """Of messages to and by ME only the task is foreign, because its sender chose the words."""
    now = await tx.now()
    parties = [(ME, "bob"), (OTHER, ME), (OTHER, "bob"), (OTHER, "everybody")]
    for n, (sender, to) in enumerate(parties * 2):
        ours = side.is_ours and (ME in (sender, to) or to == "everybody")
        id_ = f"m_plain{99999 - side.digits}{n:09}" if ours else side.id("m", n)
        await insert(
            tx,
            side,
            "messages",
            id=id_,
            seq=now + n,
            thread_id=id_,
            sender=sender,
            recipient=to,
            task_id=side.id("t", 3),
            priority=2,
            body="Plain words" if ours else side.text("body"),
            expires_at=now + 86400 * SECOND,
        )
        is_dead = n >= len(parties)
        for reader in (ME, "bob") if to == "everybody" else (to,):
            await insert(
                tx,
                side,
                "receipts",
                agent_id=reader,
                message_id=id_,
                state="dead" if is_dead else "pending",
                dead_why="expired" if is_dead else None,
                ended_at=now if is_dead else None,
                priority=2,
                seq=now + n,
                expires_at=now + 86400 * SECOND,
            )


async def _contexts(tx: Tx, side: Side, keys: Keys) -> None:
    """Contexts of a task: by ME, by the other agent and shared with ME, and its own."""
    owners = {1: ME, 2: OTHER, 3: OTHER}
    content = side.text("content").encode()
    for n, owner in owners.items():
        id_ = side.id("c", n)
        await insert(tx, side, "contexts", id=id_, owner=owner, task_id=side.id("t", n))
        sealed = keys.seal(
            encryption.PURPOSE,
            encryption.associated_data(side.installation_id, id_, 1),
            encryption.compress(content),
        )
        await insert(
            tx,
            side,
            "context_versions",
            context_id=id_,
            version=1,
            author=owner,
            checksum=hashlib.sha256(content).hexdigest(),
            size=len(content),
            key_id=keys.id,
            sealed=sealed,
        )
    grantees = [ME, "everybody", "role:observer", f"task:{side.id('t', 2)}"]
    for grantee in grantees:
        await insert(
            tx,
            side,
            "context_grants",
            context_id=side.id("c", 2),
            grantee=grantee,
            granted_by=OTHER,
        )
    for n, author in enumerate((ME, OTHER)):
        members = {side.id("c", each): 1 for each in owners}
        await insert(
            tx,
            side,
            "context_snapshots",
            id=side.id("s", n),
            name="before" if side.is_ours else side.text("name"),
            author=author,
            members=members,
        )
    for agent in (ME, OTHER):
        where = checkpoints.sealed_for(side.installation_id, agent, side.id("t", 2))
        sealed = keys.seal(checkpoints.PURPOSE, where, f'"{side.text("state")}"'.encode())
        await insert(
            tx,
            side,
            "checkpoints",
            agent_id=agent,
            task_id=side.id("t", 2),
            sealed=keys.id.encode() + sealed,
        )


async def _events(tx: Tx, side: Side) -> None:
    """An event of every kind, for everybody and for ME, and the notices of ME."""
    subjects = {"task": side.id("t", 1), "context": side.id("c", 2), "message": side.id("m", 2)}
    seq = side.digits * 1000
    for kind, about in KINDS.items():
        topic = kind.partition(".")[0]
        if topic not in subjects:
            continue
        data = {name: side.text(name) for name in about.data}
        for audience in (None, ME):
            subject = subjects[topic]
            if topic == "message" and side.is_ours:
                data = {name: side.id("t", 1) for name in about.data if name == "task"}
                subject = "m_plain"
            seq += 1
            await insert(
                tx,
                side,
                "events",
                seq=seq,
                kind=kind,
                subject=subject,
                at=await tx.now(),
                actor=OTHER,
                data=data,
                audience=audience,
                repository_id=None if topic == "message" and audience else side.repository_id,
            )
    for kind in URGENCY:
        seq += 1
        await insert(
            tx,
            side,
            "notices",
            agent_id=ME,
            seq=seq,
            kind=kind,
            subject=side.id("t", 1),
            # What Hubbub stored of a failed write had no repository before.
            repository_id=None if kind == "write_failed" else side.repository_id,
        )
    await insert(tx, side, "audit", seq=seq, actor=OTHER, operation="create_task")


async def inhabit(tx: Tx, side: Side) -> None:
    """Insert what belongs to the whole installation."""
    now = await tx.now()
    await insert(
        tx,
        side,
        "installations",
        account_id=side.row_id(80),
        permissions={},
        repository_selection="selected",
        account=f"{side.word}-org",
    )
    own = f"{side.word}-agent"
    for agent in (ME, OTHER, "bob", "cat", own):
        await insert(
            tx,
            side,
            "agents",
            id=agent,
            role="tech-lead" if agent in (ME, own) else "developer",
            capabilities=[f"{side.word}-capability"],
            parent_id=None,
            last_active_at=now,
            paused_by=None,
            health=None,
        )
        await insert(tx, side, "spending", hour=now // HOUR, author=agent, requests=1, last_at=now)
    await insert(tx, side, "people", id=side.row_id(81), login=side.login, login_key=side.login)
    await insert(tx, side, "budgets", resource="core")
    await insert(tx, side, "senders", lease_until=now + 60 * SECOND)
    await insert(tx, side, "allowances")
    await insert(tx, side, "requests")
    await insert(tx, side, "projects", id=side.row_id(82), node_id=f"PVT_{side.word}", number=1)
    await insert(
        tx,
        side,
        "project_fields",
        id=side.row_id(83),
        project_id=side.row_id(82),
        type="single_select",
        name="Status",
        options=[{"id": side.text("option"), "name": "Done"}],
    )
    await insert(
        tx,
        side,
        "project_items",
        id=side.row_id(84),
        project_node_id=f"PVT_{side.word}",
        content_node_id=f"I_{side.word}1",
        content_type="Issue",
    )
    await insert(tx, side, "project_values", item_id=side.row_id(84), field="Status")


async def relate(tx: Tx, one: Side, other: Side) -> None:
    """Tie issues of two repositories of an installation to each other."""
    where = f"task:{other.id('t', 2)}"
    await insert(
        tx, one, "context_grants", context_id=one.id("c", 1), grantee=where, granted_by=OTHER
    )
    await insert(
        tx,
        one,
        "events",
        seq=one.digits * 1000 + 900,
        kind="context.shared",
        subject=one.id("c", 1),
        actor=OTHER,
        data={"to": where, "access": "read"},
        audience=None,
    )
    ties = [("blocked_by", 4, 1), ("parent", 1, 3), ("parent", 8, 9)]
    for here, there in ((one, other), (other, one)):
        for kind, source, target in ties:
            await insert(
                tx,
                here,
                "relations",
                kind=kind,
                source_id=here.row_id(source),
                target_id=there.row_id(target),
                source_name=here.name(source),
                source_state="open",
                target_name=there.name(target),
                target_state="open",
                cyclic=0,
            )
        await insert(
            tx,
            here,
            "pull_links",
            pull_number=here.pull,
            issue_repository=there.full_name,
            issue_number=there.number(7),
            how="closes",
        )


async def set_head(tx: Tx, installation_id: int, seq: int) -> None:
    await tx.run(
        "INSERT INTO heads (installation_id, seq) VALUES (:i, :seq)", i=installation_id, seq=seq
    )


async def fill_the_rest(tx: Tx, side: Side) -> None:
    """Insert a row into each table of installations that has none of the side yet."""
    for table in TABLES.values():
        if "installation_id" in table.names:
            q = f"SELECT 1 AS yes FROM {table.name} WHERE installation_id = :i LIMIT 1"
            if await tx.one(q, i=side.installation_id) is None:
                await insert(tx, side, table.name)
