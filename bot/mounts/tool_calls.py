"""One call of a tool of another server: what is checked before it, and recorded after it."""

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

from bot.errors import Refused
from bot.kernel.argument_errors import wrong_value
from bot.kernel.operation import Context
from bot.mounts import health, result_files, tool_limits, tool_targets
from bot.mounts.tool_attempts import Attempts, Outcome
from bot.mounts.tool_results import Shown
from bot.mounts.tool_targets import Spare
from bot.times import SECOND
from bot.tool_servers.breakers import CircuitOpen
from bot.tool_servers.connections import ToolResult, Unavailable
from bot.tools import tool_finding
from bot.tools.tool_arguments import problems, remedy, with_types
from bot.tools.tool_finding import NamedTool
from store.engine import ids
from store.engine.transaction import Tx
from store.files.attachments import FullAttachment
from store.mounts import mounts, tool_calls
from store.tables.tool_calls import TOOL_CALL, ToolCallRow
from store.tasks import open_claims

LARGEST_ARGUMENTS = 1_000_000
# No call takes longer: two attempts with the longest time-out, and a composed tool less.
LONGEST = 15 * 60 * SECOND
LOST_AT_ONCE = 100


@dataclass(frozen=True)
class Answered:
    """`served_by`: the server that answered in place of the tool's own.

    `whole`: the file with all of a result that was cut.
    """

    tool: NamedTool
    shown: Shown
    is_error: bool = False
    is_kept: bool = False
    served_by: str | None = None
    whole: FullAttachment | None = None

    @property
    def source(self) -> str:
        return f"the tool server {self.served_by or self.tool.mount['name']}"


@dataclass(frozen=True)
class Prepared:
    """A call that was checked and counted, and is to be made now."""

    tool: NamedTool
    call: ToolCallRow
    attempts: Attempts
    # By which its answer is kept. Empty if it is not.
    cache_key: str
    spare: Spare | None = None


async def prepare(ctx: Context, name: str, arguments: dict[str, Any]) -> Prepared | Answered:
    """Check and count a call. Raise Refused. An answer that is kept is returned at once."""
    return await prepare_found(ctx, await tool_finding.find(ctx.tx, ctx.actor, name), arguments)


async def prepare_found(
    ctx: Context, tool: NamedTool, arguments: dict[str, Any]
) -> Prepared | Answered:
    tool_finding.check(ctx.actor, tool)
    arguments = with_types(tool.row["input_schema"], arguments)
    text = check_arguments(tool, arguments)
    cache_key = _cache_key(tool, text)
    here = (ctx.tx, ctx.installation_id)
    if cache_key and (kept := await tool_calls.kept_answer(*here, cache_key, ctx.now)) is not None:
        await tool_calls.add(ctx.tx, {**_row(ctx, tool, 0), "outcome": "ok", "cached": 1})
        return Answered(tool, Shown(**kept), is_kept=True)
    own = tool_targets.own(ctx.shared.keys, tool)
    row = await new_call(ctx, tool)
    spare = await tool_targets.spare(ctx.tx, ctx.shared.keys, ctx.actor, tool, arguments)
    targets = [own, spare.target] if spare else [own]
    policy = tool.policy
    made = Attempts(targets, arguments, policy.timeout_s, policy.max_bytes, policy.retries)
    return Prepared(tool, row, made, cache_key, spare)


async def new_call(ctx: Context, tool: NamedTool) -> ToolCallRow:
    """The row of a call that begins now. Raise Refused, and count nothing, beyond a limit."""
    here = (ctx.tx, ctx.installation_id)
    which = (tool.mount["id"], tool.row["name"])
    cost = await tool_limits.take(*here, *which, tool.policy, tool.name)
    row = _row(ctx, tool, cost)
    if cost:
        row["task_id"] = ctx.for_task or await _held_task(ctx)
    await tool_calls.add(ctx.tx, row)
    return row


async def _held_task(ctx: Context) -> str | None:
    """The task that the caller holds, if it is one."""
    held = await open_claims.of_holder(ctx.tx, ctx.installation_id, ctx.actor.name, 2)
    return held[0]["id"] if len(held) == 1 else None


def check_arguments(tool: NamedTool, arguments: dict[str, Any]) -> str:
    """The arguments as JSON. Raise Refused if the tool does not take them."""
    if wrong := wrong_value(arguments):
        place, why = wrong
        raise Refused("invalid_arguments", f"{tool.name}: `{place}` {why}. Nothing was sent.")
    text = json.dumps(arguments, sort_keys=True)
    if len(text) > LARGEST_ARGUMENTS:
        raise Refused("too_large", f"The arguments have more than {LARGEST_ARGUMENTS} characters.")
    if found := problems(tool.row["input_schema"], arguments):
        raise Refused(
            "invalid_arguments",
            f"{tool.name}: {'; '.join(map(str, found[:3]))}. Nothing was sent. "
            + remedy(tool.name, tool.row["input_schema"], found),
            errors=[{"argument": each.place, "problem": each.why} for each in found],
        )
    return text


def _cache_key(tool: NamedTool, arguments: str) -> str:
    """Empty if no answer is kept: people have to allow it, and the tool only reads."""
    if not tool.policy.cache_s or not tool.row["hints"].get("read_only"):
        return ""
    parts = (tool.mount["id"], tool.mount["version"], tool.row["name"], tool.row["hash"], arguments)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _row(ctx: Context, tool: NamedTool, cost: int) -> ToolCallRow:
    return {
        "installation_id": ctx.installation_id,
        "id": ids.new(TOOL_CALL, ctx.now),
        "mount_id": tool.mount["id"],
        "tool": tool.row["name"],
        "caller": ctx.actor.name[:120],
        "task_id": None,
        "at": ctx.now,
        "outcome": "running",
        "duration": 0,
        "size": 0,
        "cost": cost,
        "attempts": 0,
        "cached": 0,
        "served_by": None,
    }


async def finish(ctx: Context, prepared: Prepared, outcome: Outcome) -> Answered:
    """Record what came of a call. Raise Refused if there is no answer."""
    if outcome.result is not None and outcome.shown is not None:
        answered = await _keep(ctx, prepared, outcome, outcome.result, outcome.shown)
        whole = await result_files.keep(ctx, answered.tool.name, answered.shown)
        return replace(answered, whole=whole)
    refused = _refusal(prepared.tool, outcome)
    # What is raised rolls this transaction back.
    ctx.later.append(lambda tx: _record(tx, prepared, outcome, refused.code, 0))
    raise refused


async def finish_as_value(ctx: Context, prepared: Prepared, outcome: Outcome) -> Answered | Refused:
    """Record what came of a call that is a part of another one."""
    if outcome.result is not None and outcome.shown is not None:
        return await _keep(ctx, prepared, outcome, outcome.result, outcome.shown)
    refused = _refusal(prepared.tool, outcome)
    await _record(ctx.tx, prepared, outcome, refused.code, 0)
    return refused


async def _keep(
    ctx: Context, prepared: Prepared, outcome: Outcome, result: ToolResult, shown: Shown
) -> Answered:
    tool = prepared.tool
    ended = "tool_error" if result.is_error else "ok"
    await _record(ctx.tx, prepared, outcome, ended, shown.size)
    is_own = outcome.target.mount_id == tool.mount["id"]
    if prepared.cache_key and not result.is_error and is_own:
        until = ctx.now + tool.policy.cache_s * SECOND
        which = (tool.mount["id"], tool.row["name"])
        here = (ctx.tx, ctx.installation_id, prepared.cache_key)
        await tool_calls.keep_answer(*here, which, until, shown.values())
    return Answered(
        tool, shown, result.is_error, served_by=None if is_own else outcome.target.server
    )


async def abandon(tx: Tx, call: ToolCallRow) -> None:
    """Record that nobody waited for the end of the call. It may have had an effect, and costs."""
    ended = {
        "outcome": "outcome_unknown",
        "duration": await tx.now() - call["at"],
        "size": 0,
        "cost": call["cost"],
        "attempts": 1,
        "served_by": None,
    }
    await tool_calls.end(tx, call["installation_id"], call["id"], ended)


async def end_lost(tx: Tx) -> int:
    """Record the end of calls whose process was killed. Return how many there were.

    A process that was only slow records afterwards what came of its call.
    """
    found = await tool_calls.running_since(tx, await tx.now() - LONGEST, LOST_AT_ONCE)
    for each in found:
        await abandon(tx, each)
    return len(found)


async def _record(tx: Tx, prepared: Prepared, outcome: Outcome, ended: str, size: int) -> None:
    """Record the end of the call, and what it showed of each server."""
    call = prepared.call
    i, mount_id, tool = call["installation_id"], call["mount_id"], call["tool"]
    is_free = outcome.result is None and not outcome.may_have_happened
    cost = 0 if is_free or _is_free_here(prepared, outcome) else call["cost"]
    if cost < call["cost"]:
        day = tool_limits.day_of(call["at"])
        await tool_calls.give_back(tx, i, day, mount_id, tool, call["cost"])
    if prepared.spare is not None:
        was_called = outcome.target == prepared.spare.target
        here = (tx, i, prepared.spare)
        await tool_targets.give_back(*here, was_called=was_called, is_free=is_free)
        cost += prepared.spare.cost if was_called and not is_free else 0
    served_by = outcome.target.mount_id
    changed = {
        "outcome": ended,
        "duration": int(outcome.seconds * SECOND),
        "size": size,
        "cost": cost,
        "attempts": outcome.attempts,
        "served_by": None if served_by == mount_id else served_by,
    }
    await tool_calls.end(tx, i, call["id"], changed)
    for seen_at, failure in outcome.seen.items():
        mount = await mounts.get_for_call(tx, i, seen_at)
        if mount is None:
            continue
        if failure is None:
            await health.note_success(tx, mount)
        else:
            await health.note_failure(tx, mount, failure)


def _is_free_here(prepared: Prepared, outcome: Outcome) -> bool:
    """Whether another server was called because nothing was sent to the tool's own."""
    mount_id = prepared.call["mount_id"]
    failure = outcome.seen.get(mount_id)
    return outcome.target.mount_id != mount_id and not (failure is not None and failure.sent)


def _refusal(tool: NamedTool, outcome: Outcome) -> Refused:
    failure, server = outcome.failure, outcome.target.server
    assert failure is not None
    wait_s = None if failure.retry_after_s is None else max(1, round(failure.retry_after_s))
    details: dict[str, Any] = {"why": failure.kind, "server": server}
    if wait_s is not None:
        details |= {"retry_after_s": wait_s, "sent": outcome.may_have_happened}
    if outcome.may_have_happened and not outcome.target.is_safe:
        return Refused(
            "outcome_unknown",
            f"{tool.name} was called, and what came of it is not known: {_why(failure)}. Look at "
            f"{server} before you call it again with a new key.",
            **details,
        )
    again = f" Try again in {wait_s} s." if wait_s else ""
    tried = f" after {outcome.attempts} attempts" if outcome.attempts > 1 else ""
    did = "It only reads, or may be repeated" if outcome.may_have_happened else "Nothing was done"
    return Refused(
        "tool_unavailable",
        f"{tool.name}: the server {server} gave no answer{tried}: {_why(failure)}. {did}.{again}",
        **details,
    )


def _why(failure: Unavailable) -> str:
    """The reason, for agents. What a server wrote is a quotation."""
    if isinstance(failure, CircuitOpen):
        return failure.text
    return " ".join(failure.text.split()).rstrip(".")[:300]
