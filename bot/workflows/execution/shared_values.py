"""The document of a workflow: its inputs, and the outputs of its steps by name.

It is a context that the holders of the workflow's tasks read. Only Hubbub writes it.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from bot.contexts import contents, versions
from bot.errors import Refused
from bot.identity.actors import BOT
from bot.identity.keyring import Broken
from bot.kernel.operation import Context
from store.contexts import contexts, grants
from store.engine import ids
from store.engine.transaction import Tx
from store.tables.workflows import WorkflowRow, WorkflowStepRow

# Of one output, as JSON.
LONGEST_OUTPUT = 20_000
Values: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Document:
    """`problem`: why the newest version cannot be read; then this is the last readable one."""

    inputs: Values
    outputs: dict[str, Values] = field(default_factory=dict)
    problem: str | None = None

    def content(self) -> bytes:
        return contents.bytes_within_limit({"inputs": self.inputs, "outputs": self.outputs})


async def create(ctx: Context, workflow: WorkflowRow, task_ids: Iterable[str]) -> str:
    """Make the document of a new workflow. Return the context's id."""
    context_id = ids.new("c", ctx.now)
    await contexts.create(
        ctx.tx,
        {
            "installation_id": ctx.installation_id,
            "id": context_id,
            "name": f"Workflow {workflow['name']} {workflow['id']}",
            "owner": BOT,
            "kind": "json",
            "version": 1,
            "task_id": workflow["parent_task_id"],
            "created_at": ctx.now,
            "updated_at": ctx.now,
        },
    )
    first = Document(dict(workflow["inputs"]))
    await versions.add(ctx, context_id, 1, first.content(), "started")
    for task_id in (workflow["parent_task_id"], *task_ids):
        await let_read(ctx.tx, ctx.installation_id, context_id, task_id)
    return context_id


async def let_read(tx: Tx, installation_id: int, context_id: str, task_id: str) -> None:
    """Let the holder of the task read the document."""
    await grants.grant(
        tx,
        {
            "installation_id": installation_id,
            "context_id": context_id,
            "grantee": f"task:{task_id}",
            "access": "read",
            "granted_by": BOT,
            "granted_at": await tx.now(),
        },
    )


async def read(ctx: Context, workflow: WorkflowRow) -> Document:
    """The document as it is now."""
    row = await _row(ctx, workflow)
    if row is None:
        return Document(dict(workflow["inputs"]))
    try:
        found = await versions.read_newest(ctx, row["id"], row["version"])
    except Refused:
        return Document(dict(workflow["inputs"]), problem=_problem(row["version"], None))
    last = found.version["version"]
    problem = _problem(row["version"], last) if found.broken else None
    return _parse(found.content, problem)


def _problem(version: int, last: int | None) -> str:
    shown = f"this is version {last}" if last else "no version before it can be read either"
    return f"version {version} of the workflow's context is damaged; {shown}"


def _parse(content: bytes, problem: str | None = None) -> Document:
    said = json.loads(content)
    return Document(said["inputs"], said["outputs"], problem)


async def _row(ctx: Context, workflow: WorkflowRow) -> contexts.FullContext | None:
    if workflow["context_id"] is None:
        return None
    return await contexts.get(ctx.tx, ctx.installation_id, workflow["context_id"])


async def put_outputs(
    ctx: Context, workflow: WorkflowRow, step: str, outputs: Mapping[str, Any]
) -> None:
    """Add the outputs of a step, as the next version. The workflow is locked."""
    row = await _row(ctx, workflow)
    if row is None or not outputs:
        return
    now = await read(ctx, workflow)
    changed = Document(now.inputs, {**now.outputs, step: dict(outputs)})
    await _add(ctx, row, changed.content(), f"outputs of {step}")


async def restore(
    ctx: Context, workflow: WorkflowRow, version: int | None, without: Collection[str]
) -> None:
    """Make an old version the newest again. `without`: steps that are done again.

    Outputs of other steps that came later stay. Without a version, or with a damaged one, only the
    outputs of the steps that are done again go.
    """
    row = await _row(ctx, workflow)
    if row is None:
        return
    now = await read(ctx, workflow)
    old = now
    if version is not None:
        with suppress(Broken):
            old = _parse((await versions.load(ctx, row["id"], version)).content)
    kept = {**now.outputs, **old.outputs}
    outputs = {step: values for step, values in kept.items() if step not in without}
    if outputs != now.outputs or now.problem:
        made = Document(old.inputs, outputs)
        await _add(ctx, row, made.content(), f"restored from version {version or row['version']}")


async def _add(ctx: Context, row: contexts.FullContext, content: bytes, note: str) -> None:
    here = (ctx.tx, ctx.installation_id, row["id"])
    await contexts.lock(*here)
    newest = await contexts.get(*here)
    number = (newest or row)["version"] + 1
    await contexts.advance(*here, ctx.now)
    await versions.add(ctx, row["id"], number, content, note)


def check(step: WorkflowStepRow, outputs: Mapping[str, Any] | None) -> Values:
    """The outputs with which a step is completed. Raise Refused."""
    declared = step["definition"].get("outputs", [])
    given = dict(outputs or {})
    if unknown := sorted(given.keys() - set(declared)):
        known = f"It has {', '.join(declared)}." if declared else "It has none."
        raise Refused(
            "invalid_arguments",
            f"outputs: step {step['step']} has no output {', '.join(unknown)}. {known} Nothing was "
            "changed.",
            outputs=declared,
        )
    if lacking := [name for name in declared if given.get(name) is None]:
        raise Refused(
            "invalid_arguments",
            f"Step {step['step']} is completed with its outputs, of which {', '.join(lacking)} "
            f"{'is' if len(lacking) == 1 else 'are'} missing. Pass all in one call: "
            f"`outputs` {_form(declared)}. Other steps read them. Nothing was changed.",
            outputs=declared,
        )
    for name, value in given.items():
        _check_length(name, value)
    return given


def _form(declared: list[str]) -> str:
    """What to pass, in the form of JSON."""
    return "{" + ", ".join(f'"{name}": …' for name in declared) + "}"


def _check_length(name: str, value: Any) -> None:
    if (size := len(json.dumps(value, ensure_ascii=False))) > LONGEST_OUTPUT:
        raise Refused(
            "too_large",
            f"outputs: {name} has {size} characters; the limit is {LONGEST_OUTPUT}. Put it into a "
            "context or a file, and pass its id or path. Nothing was changed.",
            size=size,
            largest=LONGEST_OUTPUT,
        )


def missing(step: WorkflowStepRow, document: Document) -> list[str]:
    """The outputs that a completed step should have and has not: its pull request was merged."""
    if step["state"] != "completed":
        return []
    has = document.outputs.get(step["step"], {})
    return [name for name in step["definition"].get("outputs", []) if name not in has]
