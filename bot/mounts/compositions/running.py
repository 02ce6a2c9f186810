"""Runs a composed tool: its steps are calls like all others, those that can begin at once together.

Each round is a transaction, in which calls are checked and counted, and the calls themselves. What
happened so far is handed on from round to round. After the first call there is always an answer and
never an error, because a caller may repeat a call with its key after an error.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeAlias

from bot.errors import Refused
from bot.kernel.operation import Context
from bot.kernel.outside import OutsideCall
from bot.mounts import result_files, tool_attempts, tool_calls, tool_results
from bot.mounts.compositions import engine, rounds
from bot.mounts.compositions.engine import Outcome, Outcomes
from bot.mounts.compositions.step_results import failure, result_of
from bot.mounts.tool_calls import Answered, Prepared
from bot.repository import repository_settings
from bot.repository.composed_tools.definition import ComposedTool
from bot.times import SECOND
from bot.tool_servers.connections import TextPart, ToolResult
from bot.tools import tool_finding
from bot.tools.tool_arguments import with_types
from bot.tools.tool_finding import NamedTool
from store.audit import records
from store.engine.transaction import Tx
from store.mirror import stored_repositories
from store.mounts import mounts
from store.mounts import tool_calls as stored_calls
from store.tables.tool_calls import ToolCallRow

# For all steps together, unless the policy of the tool says another time.
WHOLE_S = 120.0
# Characters of the results of all steps together.
MOST_RESULTS = 4_000_000

Made: TypeAlias = Sequence[tuple[str, Prepared]]


@dataclass(frozen=True)
class ComposedAnswer(Answered):
    """`servers`: those that were called for it."""

    servers: Sequence[str] = ()

    @property
    def source(self) -> str:
        names = ", ".join(self.servers)
        servers = "no tool server" if not self.servers else f"the tool servers {names}"
        return f"{servers}, through {self.tool.mount['name']}"


View: TypeAlias = Callable[[Answered], Any]


@dataclass(frozen=True)
class Run:
    """`until`: when its time is over, by the clock of this process. `view`: makes the answer."""

    tool: NamedTool
    definition: ComposedTool
    arguments: dict[str, Any]
    call: ToolCallRow
    began: float
    until: float
    view: View
    outcomes: Outcomes = field(default_factory=dict)
    servers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    size: int = 0

    def after(
        self, step: str, outcome: Outcome, server: str = "", notes: Sequence[str] = ()
    ) -> "Run":
        """With the outcome of one more step."""
        more = [f"{step}: {each}" for each in notes]
        if outcome.state == "skipped" and outcome.why != engine.AFTER_FAILURE:
            more.append(f"{step} was skipped: {outcome.why}")
        if outcome.state == "failed" and self._continues_after(step):
            more.append(f"{step} failed: {outcome.why}")
        servers = self.servers if server in (*self.servers, "") else (*self.servers, server)
        outcomes = {**self.outcomes, step: outcome}
        return replace(self, outcomes=outcomes, servers=servers, notes=(*self.notes, *more))

    def _continues_after(self, step: str) -> bool:
        return any(
            each.id == step and each.on_failure == "continue" for each in self.definition.steps
        )


async def begin(
    ctx: Context, tool: NamedTool, given: Mapping[str, Any], view: View
) -> OutsideCall[rounds.Results] | Any:
    """Check the call, and all that its steps need. Raise Refused."""
    tool_finding.check(ctx.actor, tool)
    definition = await definition_of(ctx, tool)
    arguments = with_types(tool.row["input_schema"], given)
    tool_calls.check_arguments(tool, arguments)
    await _check_steps(ctx, tool, definition)
    row = await tool_calls.new_call(ctx, tool)
    whole_s = float(tool.row["policy"].get("timeout_s") or WHOLE_S)
    now = time.monotonic()
    full = engine.with_defaults(definition, arguments)
    return await _go_on(ctx, Run(tool, definition, full, row, now, now + whole_s, view))


async def definition_of(ctx: Context, tool: NamedTool) -> ComposedTool:
    """What the settings in force say of it. Raise Refused."""
    here = (ctx.installation_id, mounts.repository_of(tool.mount["id"]))
    settings = await repository_settings.of(ctx.tx, *here)
    found = settings.tools.get(tool.row["name"])
    if found is None or await stored_repositories.repository_by_id(ctx.tx, *here) is None:
        raise Refused("unknown_tool", f"The repository of {tool.name} has it no more.")
    return found


async def _check_steps(ctx: Context, tool: NamedTool, definition: ComposedTool) -> None:
    """Refuse before the first call what would end in the middle. Raise Refused."""
    for step in definition.steps:
        try:
            found = await tool_finding.find(ctx.tx, ctx.actor, step.call)
            tool_finding.check(ctx.actor, found)
        except Refused as exc:
            if step.on_failure == "continue" and exc.code != "forbidden":
                continue
            words = exc.message.removesuffix(" Nothing was sent.")
            raise Refused(
                exc.code,
                f"The step {step.id} of {tool.name} cannot be done: {words} Nothing was sent.",
                **exc.details | {"step": step.id, "tool": step.call},
            ) from exc


async def _go_on(ctx: Context, run: Run) -> OutsideCall[rounds.Results] | Any:
    """The calls of the next round, or the answer."""
    while not (step := engine.advance(run.definition, run.arguments, run.outcomes)).is_over:
        for name, outcome in step.decided.items():
            run = run.after(name, outcome)
        made: list[tuple[str, Prepared]] = []
        # In one order for all, because each waits for the counters of its tool.
        for each in sorted(step.calls, key=lambda call: call.tool):
            run = await _prepare(ctx, run, each, made)
        if made:
            left_s = max(run.until - time.monotonic(), 0.0)
            return OutsideCall(
                partial(rounds.call_all, made, run.until),
                partial(_after_round, run=run, made=made),
                left_s + 2 * tool_attempts.SLACK_S,
                partial(_abandon, calls=[run.call, *(each.call for _, each in made)]),
            )
    return await _end(ctx, run)


async def _abandon(tx: Tx, calls: Sequence[ToolCallRow]) -> None:
    for each in calls:
        await tool_calls.abandon(tx, each)


async def _prepare(
    ctx: Context, run: Run, call: engine.Call, made: list[tuple[str, Prepared]]
) -> Run:
    try:
        prepared = await tool_calls.prepare(ctx, call.tool, call.arguments)
    except Refused as exc:
        await _audit(ctx, run, call.tool, exc.code)
        return run.after(call.step, failure(exc.message))
    if isinstance(prepared, Prepared):
        made.append((call.step, prepared))
        return run
    return await _take(ctx, run, call.step, prepared)


async def _after_round(ctx: Context, results: rounds.Results, run: Run, made: Made) -> Any:
    for step, prepared in sorted(made, key=lambda each: each[1].tool.mount["id"]):
        ended = await tool_calls.finish_as_value(ctx, prepared, results[step])
        if isinstance(ended, Refused):
            await _audit(ctx, run, prepared.tool.name, ended.code)
            run = run.after(step, failure(ended.message), prepared.tool.mount["name"])
        else:
            run = await _take(ctx, run, step, ended)
    return await _go_on(ctx, run)


async def _take(ctx: Context, run: Run, step: str, answered: Answered) -> Run:
    await _audit(ctx, run, answered.tool.name)
    size = run.size + answered.shown.size
    outcome = result_of(answered)
    if size > MOST_RESULTS:
        outcome = failure(f"the results have more than {MOST_RESULTS} characters together")
    server = answered.served_by or answered.tool.mount["name"]
    notes = answered.shown.notes + (
        ["images and sounds are not passed on"] if answered.shown.media else []
    )
    return replace(run.after(step, outcome, server, notes), size=size)


async def _audit(ctx: Context, run: Run, tool: str, code: str = "") -> None:
    """Each step is in the audit as a call of its own, without its arguments."""
    await records.append(
        ctx.tx,
        ctx.installation_id,
        ctx.actor.name,
        ctx.operation,
        tool[:120],
        outcome="refused" if code else "done",
        code=code,
        data={"through": run.tool.name},
    )


async def _end(ctx: Context, run: Run) -> Any:
    final = engine.final(run.definition, run.arguments, run.outcomes)
    parts = [TextPart(final.value)] if isinstance(final.value, str) else []
    structured = None if isinstance(final.value, str) else final.value
    result = ToolResult(parts, structured, final.is_error)
    shown = tool_results.view(result, run.tool.policy.max_bytes)
    shown.notes.extend(run.notes)
    changed = {
        "outcome": "tool_error" if final.is_error else "ok",
        "duration": int((time.monotonic() - run.began) * SECOND),
        "size": shown.size,
        "cost": run.call["cost"],
        "attempts": 1,
        "served_by": None,
    }
    await stored_calls.end(ctx.tx, ctx.installation_id, run.call["id"], changed)
    whole = await result_files.keep(ctx, run.tool.name, shown)
    made = ComposedAnswer(run.tool, shown, final.is_error, servers=run.servers, whole=whole)
    return run.view(made)
