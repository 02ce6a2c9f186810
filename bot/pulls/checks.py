"""Hubbub's check run on pull requests: computes it, and queues a write when it has changed."""

from collections.abc import Sequence
from typing import Any

from bot.identity.actors import BOT
from bot.kernel import event_recorder
from bot.kernel.notice_rules import Happening
from bot.pulls import facts, makers, verdict
from bot.pulls.paths import inside
from bot.pulls.verdict import Verdict
from bot.repository import repository_settings
from bot.times import SECOND
from store.engine.transaction import Tx
from store.mirror import head_checks, merge_groups, pulls, task_pulls
from store.outbox import writes
from store.tables.builds import HeadCheckRow
from store.tables.mirror import PullRequestRow
from store.tables.outbox import WriteRow
from store.tasks.tasks import ENDED, FullTask

KIND = "pull_check"
# Conclusions that stand in nobody's way.
HARMLESS = ("success", "neutral")
# A check that does not fail waits so long, because more may follow.
SOON = 2 * SECOND
# A check that waits for the changed files is shown only after this time. They usually come first.
FILES_COME_WITHIN = 20 * SECOND
NONE_WANTED = Verdict("success", "It is for no task", "This pull request is for no task any more.")


def target(repository_id: int, head_sha: str) -> str:
    """The target of the writes of a head's check."""
    return f"pull check {repository_id} {head_sha}"


async def verdict_of_head(
    tx: Tx, installation_id: int, repository_id: int, head_sha: str
) -> Verdict | None:
    """What the check of a commit should show. None: it needs no check."""
    here = (tx, installation_id, repository_id)
    of_head = await _pulls_of_head(*here, head_sha)
    stored = await head_checks.get(*here, head_sha) if of_head else None
    return _common_verdict(await _verdicts(*here, of_head), stored) if of_head else None


async def _pulls_of_head(
    tx: Tx, installation_id: int, repository_id: int, head_sha: str
) -> list[PullRequestRow]:
    """The open pull requests with this head, or with a group in the merge queue with this head."""
    here = (tx, installation_id, repository_id)
    if found := await task_pulls.with_head(*here, head_sha):
        return found
    numbers = await merge_groups.pull_numbers(*here, head_sha)
    queued = [await pulls.pull_request(*here, number) for number in numbers]
    return [each for each in queued if each is not None and each["state"] == "open"]


def _common_verdict(
    found: Sequence[tuple[PullRequestRow, Verdict]], stored: HeadCheckRow | None
) -> Verdict | None:
    if found:
        return verdict.of_several([(pull["number"], each) for pull, each in found])
    if stored is None:
        return None
    # A check that once failed must not stay so. The row already says so while the write waits.
    is_due = stored["conclusion"] not in HARMLESS or stored["digest"] == NONE_WANTED.digest
    return NONE_WANTED if is_due else None


async def _verdicts(
    tx: Tx, installation_id: int, repository_id: int, of_head: Sequence[PullRequestRow]
) -> list[tuple[PullRequestRow, Verdict]]:
    """The verdicts on those of the open pull requests that get a check."""
    settings = (await repository_settings.of(tx, installation_id, repository_id)).check
    if settings.pulls == "none":
        return []
    known = [(pull, await facts.of(tx, pull, settings)) for pull in of_head]
    return [(pull, verdict.verdict(each, settings)) for pull, each in known if each is not None]


async def refresh(
    tx: Tx,
    installation_id: int,
    repository_id: int,
    head_sha: str,
    *,
    again: bool = False,
    lane: int = writes.AGENTS,
) -> None:
    """Compute the check of a head, and queue a write unless GitHub shows the same already.

    `again`: write it in any case.
    """
    here = (tx, installation_id, repository_id)
    of_head = await _pulls_of_head(*here, head_sha)
    if not of_head:
        return
    found = await _verdicts(*here, of_head)
    stored = await head_checks.get(*here, head_sha)
    shown = _common_verdict(found, stored)
    if shown is None or (stored is not None and stored["digest"] == shown.digest and not again):
        return
    await _queue(tx, (installation_id, repository_id, head_sha), shown, again=again, lane=lane)
    if stored is None or stored["conclusion"] != "failure":
        await _notify(tx, found)


async def _queue(
    tx: Tx, here: tuple[int, int, str], shown: Verdict, *, again: bool, lane: int
) -> None:
    installation_id, repository_id, head_sha = here
    on = target(repository_id, head_sha)
    live, last = await writes.edits(tx, installation_id, on, KIND)
    queued = [each for each in live if each["state"] == "queued"]
    await writes.supersede_these(tx, installation_id, queued)
    await head_checks.put(tx, *here, shown.conclusion, shown.digest)
    was_last = last is not None and (last["result"] or {}).get("digest") == shown.digest
    if was_last and len(live) == len(queued) and not again:
        return  # what was queued would have changed it for a moment only
    now = await tx.now()
    due = now + _delay(shown, lane)
    # Others that follow at once must not put it off again and again.
    due = min([due, *(each["not_before"] for each in queued if shown.conclusion != "waiting")])
    await writes.queue(
        tx,
        installation_id,
        kind=KIND,
        repository_id=repository_id,
        target=on,
        arguments={"head_sha": head_sha, "conclusion": shown.conclusion, "title": shown.title},
        author=BOT,
        lane=writes.PEOPLE if shown.conclusion == "failure" else lane,
        wait=max(0, due - now),
    )


def _delay(shown: Verdict, lane: int) -> int:
    if shown.conclusion == "waiting":
        return FILES_COME_WITHIN
    return 0 if shown.conclusion == "failure" or lane == writes.PEOPLE else SOON


async def _notify(tx: Tx, found: Sequence[tuple[PullRequestRow, Verdict]]) -> None:
    """Tell who made the pull request, and who holds its task, that the check fails."""
    for pull, each in found:
        if each.conclusion != "failure":
            continue
        maker = await makers.maker_of(tx, pull)
        data: dict[str, object] = {
            "pull": pull["number"],
            "why": each.summary.partition("\n\n")[0],
            "to": maker,
        }
        for task in await facts.tasks_of(tx, pull):
            if task["state"] not in ENDED:
                event = happening("task.pull_blocked", task, BOT, data)
                await event_recorder.append(tx, task["installation_id"], event)


def happening(kind: str, task: FullTask, actor: str, data: dict[str, object]) -> Happening:
    """An event about a pull request of the task."""
    return Happening(
        kind=kind,
        subject=task["id"],
        name=f"{task['full_name']}#{task['number']}",
        actor=actor,
        data=data,
        repository_id=task["repository_id"],
        holder=task["holder"],
    )


async def refresh_pull(tx: Tx, pull: PullRequestRow, *, again: bool = False) -> None:
    here = (pull["installation_id"], pull["repository_id"])
    if pull["state"] != "open":
        return
    await refresh(tx, *here, pull["head_sha"], again=again)
    for head in await merge_groups.heads(tx, *here, [pull["number"]]):
        await refresh(tx, *here, head)


async def refresh_task(tx: Tx, task: FullTask, lane: int = writes.AGENTS) -> None:
    """After a change of the task or of who holds it: the checks of all its pull requests."""
    here = (task["installation_id"], task["repository_id"])
    found = await _open_pulls(tx, task)
    queued = await merge_groups.heads(tx, *here, [each["number"] for each in found])
    for head in dict.fromkeys([*(each["head_sha"] for each in found), *queued]):
        await refresh(tx, *here, head, lane=lane)


async def _open_pulls(tx: Tx, task: FullTask) -> list[PullRequestRow]:
    if task["number"] is None:
        return []
    here = (tx, task["installation_id"], task["repository_id"])
    found = await task_pulls.for_issue(*here, task["full_name"], task["number"])
    if task["pull_number"] and task["pull_number"] not in [each["number"] for each in found]:
        own = await pulls.pull_request(*here, task["pull_number"])
        found += [own] if own and own["state"] == "open" else []
    return found


async def refresh_claim(
    tx: Tx, task: FullTask, paths: Sequence[str], lane: int = writes.AGENTS
) -> None:
    """After a claim began or ended that named these paths."""
    await refresh_task(tx, task, lane)
    await refresh_paths(tx, task, paths, lane)


async def refresh_paths(
    tx: Tx, task: FullTask, paths: Sequence[str], lane: int = writes.AGENTS
) -> None:
    """After a claim named these paths, or names them no more: of what changes them."""
    if not paths:
        return
    here = (task["installation_id"], task["repository_id"])
    found = await task_pulls.newest_with_files(tx, *here)
    touched = [each for each in found if inside(facts.changed_paths(each["files"]), paths)]
    for head in dict.fromkeys(each["head_sha"] for each in touched):
        await refresh(tx, *here, head, lane=lane)


async def refresh_all(tx: Tx, installation_id: int, repository_id: int) -> None:
    """After a change of the settings: the newest open pull requests."""
    found = await task_pulls.newest_open(tx, installation_id, repository_id)
    for head in dict.fromkeys(each["head_sha"] for each in found):
        await refresh(tx, installation_id, repository_id, head)


async def record_sent(tx: Tx, write: WriteRow, result: dict[str, Any]) -> None:
    """GitHub shows the check. Its text was made when it was sent."""
    here = (write["installation_id"], write["repository_id"], write["arguments"]["head_sha"])
    if isinstance(made := result.get("id"), int):
        await head_checks.set_check_run(tx, *here, made)
    stored = await head_checks.get(tx, *here)
    if stored and stored["digest"] != result.get("digest"):
        await refresh(tx, *here)


async def record_failure(tx: Tx, write: WriteRow) -> None:
    """GitHub refused the check: a new check run is made at the next change.

    If it was an edit, GitHub lost the check run, and a new one is made now.
    """
    here = (write["installation_id"], write["repository_id"], write["arguments"]["head_sha"])
    stored = await head_checks.get(tx, *here)
    await head_checks.forget(tx, *here)
    if stored is not None and stored["check_run_id"] is not None:
        await refresh(tx, *here)
