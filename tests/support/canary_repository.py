"""Everything that belongs to one repository, as rows with its canaries."""

import hashlib
from typing import Any

from bot.agents import checkpoints
from bot.contexts import encryption
from bot.files import chunks
from bot.github.git_objects import Entry
from bot.identity.keyring import Keys
from bot.kernel.event_kinds import KINDS
from bot.messages.notice_parts import URGENCY
from bot.mirror import code
from bot.times import SECOND
from bot.tool_servers.credentials import Credential, seal
from store.engine.transaction import Tx
from store.mirror import search_index
from store.outbox import writes
from tests.support.canaries import ME, OTHER, Side, insert

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


TEMPLATES = {"plain": {"workflow": "plain.yml"}}


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
    await _tools(tx, side, keys)
    await _traffic(tx, side)
    await _writes(tx, side)
    await _workflows(tx, side)
    await _messages(tx, side)
    await _contexts(tx, side, keys)
    await _files(tx, side, keys)
    await _runs(tx, side)
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


async def _tools(tx: Tx, side: Side, keys: Keys) -> None:
    """A server whose tools only this repository may use."""
    mount_id = side.id("k", 90)
    here = {"name": f"{side.word}-tools", "kind": "mcp", "state": "running", "version": 1}
    sealed = seal(keys, side.installation_id, mount_id, Credential())
    reach = {"options": {}, "repositories": [side.repository_id]}
    await insert(
        tx, side, "mounts", id=mount_id, sealed=sealed, probe_at=None, failures=0, **here, **reach
    )
    await insert(
        tx,
        side,
        "tools",
        mount_id=mount_id,
        name=f"{side.word}_tool",
        input_schema={"type": "object", "properties": {side.word: {}}},
        hints={},
        policy={},
        proposed=None,
        state="active",
        pinned=1,
        version=1,
    )


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
        settings={"task_label": "agent-task", "templates": TEMPLATES},
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


async def _runs(tx: Tx, side: Side) -> None:
    """Two runs: one of ME, which works on a task, and one below it, of the other agent."""
    for k, asked_by, parent in ((1, ME, None), (2, OTHER, side.id("r", 1))):
        await insert(
            tx,
            side,
            "agent_runs",
            id=side.id("r", k),
            template="plain",
            agent_id=f"{side.word}-run-{k}",
            task_id=side.id("t", k),
            role="developer",
            priority=1,
            inputs={"prompt": side.text("prompt")},
            parent_id=parent,
            root_id=side.id("r", 1),
            depth=k - 1,
            asked_by=asked_by,
            state="running",
            write_id=side.id("w", 1),
            workflow_run_id=side.row_id(200 + k),
            outcome=None,
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


def _definition(side: Side) -> dict[str, Any]:
    step = {"id": "one", "title": side.text("title"), "body": side.text("body")}
    return {"inputs": {"what": {"default": side.word}}, "steps": [step]}


async def _workflows(tx: Tx, side: Side) -> None:
    """A definition, and two workflows of it on one task: one runs, one has ended."""
    name = "plain" if side.is_ours else side.word
    definition = _definition(side)
    await insert(tx, side, "workflow_definitions", name=name, definition=definition, problem=None)
    for n, state in enumerate(("running", "completed")):
        id_ = side.id("f", n)
        await insert(
            tx,
            side,
            "workflows",
            id=id_,
            # Under its name the first one runs, and would keep this one from being retried.
            name=name if state == "running" else f"{name}-ended",
            definition=definition,
            inputs={"what": side.word},
            parent_task_id=side.id("t", 1),
            started_by=OTHER,
            state=state,
        )
        await insert(
            tx,
            side,
            "workflow_steps",
            workflow_id=id_,
            step="one",
            task_id=side.id("t", 2 + n),
            definition=definition["steps"][0],
            state="open" if state == "running" else state,
        )


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


async def _files(tx: Tx, side: Side, keys: Keys) -> None:
    """A file of the other agent, on a task there, and one of ME, on nothing."""
    content = side.text("content").encode()
    for n, owner in {5: OTHER, 6: ME}.items():
        blob_id, digest = side.id("b", n), hashlib.sha256(content + bytes([n])).hexdigest()
        facts = {"size": len(content), "type": "text/plain"}
        await insert(
            tx, side, "blobs", id=blob_id, digest=digest, chunks=1, facts="{}",
            text_state="untried", unused_since=None, **facts,
        )  # fmt: skip
        row = chunks.seal(keys, side.installation_id, blob_id, 0, content)
        await insert(tx, side, "blob_chunks", **row)
        await insert(
            tx, side, "attachments", id=side.id("f", n), blob_id=blob_id, owner=owner,
            expires_at=None, **facts,
        )  # fmt: skip
    on = {"kind": "task", "subject": side.id("t", 1), "attachment_id": side.id("f", 5)}
    await insert(tx, side, "attachment_uses", **on)


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
