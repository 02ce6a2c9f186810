"""What a file is attached to, for those who may read that."""

from pydantic import BaseModel, Field

from bot.kernel.operation import Context
from bot.operations.files import access
from bot.tasks import lookup
from store.contexts import contexts
from store.messages import messages
from store.tables.files import UseKind
from store.tasks import tasks


class Use(BaseModel):
    kind: UseKind
    id: str
    name: str = Field(description="owner/repo#12, the context's name, or who sent the message")
    task: str | None = Field(None, description="the task that a message is about")


async def of_file(ctx: Context, attachment_id: str) -> list[Use]:
    found = await access.visible_uses(ctx, attachment_id)
    return [
        *[Use(kind="task", id=i, name=n) for i, n in (await _tasks(ctx, found["task"])).items()],
        *await _contexts(ctx, found["context"]),
        *await _messages(ctx, found["message"]),
    ]


async def _tasks(ctx: Context, ids: list[str]) -> dict[str, str]:
    if not ids:
        return {}
    reach = ctx.actor.known_repositories
    rows = await tasks.several(ctx.tx, ctx.installation_id, ids, reach)
    return {row["id"]: lookup.name(row) for row in rows}


async def _contexts(ctx: Context, ids: list[str]) -> list[Use]:
    if not ids:
        return []
    rows = await contexts.several(ctx.tx, ctx.installation_id, ids, ctx.actor.repositories)
    return [Use(kind="context", id=row["id"], name=row["name"]) for row in rows]


async def _messages(ctx: Context, ids: list[str]) -> list[Use]:
    """Without the task of a message, if the actor may not see that."""
    rows = await messages.several(ctx.tx, ctx.installation_id, ids) if ids else []
    about = await _tasks(ctx, list({row["task_id"] for row in rows if row["task_id"]}))
    return [
        Use(
            kind="message",
            id=row["id"],
            name=row["sender"],
            task=about.get(row["task_id"]) if row["task_id"] else None,
        )
        for row in rows
    ]
