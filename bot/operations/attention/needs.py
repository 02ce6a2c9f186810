"""What needs a person, for people."""

from pydantic import BaseModel, Field

from bot.attention.items import KINDS, OF_SERVERS, OF_TARGETS, OF_TRACKERS, Item, Open, open_kinds
from bot.identity import permissions
from bot.kernel.operation import Answer, Context, RepositoryName, operation
from bot.tasks import lookup
from store.engine.reach import Reach
from store.mirror import stored_repositories


class KindCount(BaseModel):
    kind: str
    listed: int
    total: int = Field(description="counted up to 500")


class Attention(Answer):
    items: list[Item] = Field(description="by kind, and within a kind the newest first")
    counts: list[KindCount] = Field(description="of the kinds with items")


@operation(reads_only=True)
async def list_attention(ctx: Context, repository: RepositoryName | None = None) -> Attention:
    """List what needs a person: questions, failures, refused writes, dead agents, reached caps."""
    reach = await _reach(ctx, repository)
    found = await open_kinds(ctx.tx, ctx.installation_id, reach, _visible_kinds(ctx))
    kept = [_of_repository(each) if repository else each for each in found]
    return Attention(
        items=[item for each in kept for item in each.items],
        counts=[
            KindCount(kind=each.kind, listed=len(each.items), total=each.total)
            for each in kept
            if each.total
        ],
    )


def _visible_kinds(ctx: Context) -> list[str]:
    """Without targets of notifications and tools, if the caller may not see all of those.

    What is wrong with a target names mail addresses, or quotes a server of the operator's.
    """
    hidden = {
        kind
        for operation, kinds in (
            ("list_notification_targets", OF_TARGETS),
            ("get_tool", OF_SERVERS),
            ("list_trackers", OF_TRACKERS),
        )
        if not permissions.allows_everywhere(ctx.actor, operation)
        for kind in kinds
    }
    return [kind for kind in KINDS if kind not in hidden]


async def _reach(ctx: Context, repository: str | None) -> Reach:
    """The repositories to look at. Raise Refused if the named one is not within reach."""
    if repository is None:
        return ctx.actor.repositories
    here = (ctx.tx, ctx.installation_id)
    row = await stored_repositories.repository(*here, repository, ctx.actor.repositories)
    if row is None:
        raise lookup.unknown_repository(repository)
    return frozenset({row["id"]})


def _of_repository(found: Open) -> Open:
    """Without what belongs to the whole installation."""
    items = [each for each in found.items if each.repository_id is not None]
    return Open(found.kind, items, found.total - len(found.items) + len(items))
