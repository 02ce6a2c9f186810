"""Plug-ins that could be installed: those of the registries, with ratings and reviews."""

from typing import Annotated

from pydantic import BaseModel, Field

from bot.errors import Refused
from bot.kernel.operation import Answer, Context, operation
from bot.operations.plugins.plugin_list import PluginName
from bot.operations.tasks.access import visible_repository
from bot.plugins.manifest import Permissions
from bot.plugins.registry import finding
from bot.plugins.registry.finding import Entry
from bot.plugins.registry.index import IndexedPlugin, IndexedVersion
from bot.times import stamp
from store.mirror import threads
from store.plugins import plugins, registries
from store.tables.plugins import PluginRegistryRow

MOST_FOUND, MOST_REVIEWS, LONGEST_REVIEW = 100, 20, 2_000


class Review(BaseModel):
    """A comment on the plug-in's issue: untrusted text by whoever wrote it."""

    author: str
    association: str = Field(description="of the author with the registry's repository")
    at: str
    text: str
    url: str | None = None


class Rating(BaseModel):
    likes: int
    dislikes: int
    as_of: str


class FoundPlugin(BaseModel):
    name: str
    summary: str
    publisher: str
    registry: str
    version: str | None = Field(description="the newest that works here")
    kind: str | None
    permissions: Permissions | None
    is_signed: bool = Field(description="by its publisher, beside the registry")
    installed: str | None = Field(description="the version on this server")
    revoked: dict[str, str] = Field(description="why, by version")
    rating: Rating | None = None
    reviews: list[Review] = []
    command: str = Field(description="by which the operator installs or updates it")


class FoundRegistry(BaseModel):
    place: str
    state: str
    why: str | None
    read_at: str | None


class FoundPlugins(Answer):
    plugins: list[FoundPlugin]
    registries: list[FoundRegistry]


@operation(reads_only=True)
async def search_plugins(
    ctx: Context,
    words: Annotated[
        str | None, Field(max_length=200, description="of the name, summary or publisher")
    ] = None,
    plugin: Annotated[PluginName | None, Field(description="only this one, with reviews")] = None,
) -> FoundPlugins:
    """Look for plug-ins in the registries of this server."""
    rows = await registries.all_of(ctx.tx)
    found = [each for each in finding.entries_of(rows) if finding.fits(each, words or "")]
    if plugin is not None:
        found = [each for each in found if each.plugin.name == plugin]
        if not found:
            raise Refused("unknown_plugin", f"No registry of this server has a plug-in {plugin!r}.")
    installed = {each["name"]: each["version"] for each in await plugins.all_of(ctx.tx)}
    shown = [await _view(ctx, each, installed) for each in found[:MOST_FOUND]]
    if plugin is not None:
        for entry, view in zip(found, shown, strict=True):
            view.reviews = await _reviews(ctx, entry)
    return FoundPlugins(plugins=shown, registries=[_registry(each) for each in rows])


def _registry(row: PluginRegistryRow) -> FoundRegistry:
    return FoundRegistry(
        place=row["place"],
        state=row["state"],
        why=row["why"],
        read_at=stamp(row["read_at"]) if row["read_at"] else None,
    )


async def _view(ctx: Context, entry: Entry, installed: dict[str, str]) -> FoundPlugin:
    plugin, newest = entry.plugin, entry.newest
    here = installed.get(plugin.name)
    return FoundPlugin(
        name=plugin.name,
        summary=plugin.summary,
        publisher=plugin.publisher,
        registry=entry.registry["place"],
        version=newest.version if newest else None,
        kind=newest.kind if newest else None,
        permissions=newest.permissions if newest else None,
        is_signed=plugin.key is not None,
        installed=here,
        revoked={each.version: each.revoked for each in plugin.versions if each.revoked},
        rating=await _rating(ctx, entry),
        command=_command(plugin, newest, here),
    )


def _command(plugin: IndexedPlugin, newest: IndexedVersion | None, installed: str | None) -> str:
    """An older version is only proposed in place of one that was revoked."""
    if newest is None:
        return ""
    what = f"{plugin.name}@{newest.version}"
    if installed is None:
        return f"hubbub plugin install {what}"
    if finding.is_newer(newest.version, installed):
        return f"hubbub plugin update {what}"
    here = plugin.version(installed)
    return f"hubbub plugin update {what} --downgrade" if here and here.revoked else ""


async def _rating(ctx: Context, entry: Entry) -> Rating | None:
    row, number = entry.registry, entry.plugin.issue
    if number is None or not await _may_see(ctx, row):
        return None
    assert row["home"] is not None
    assert row["repository_id"] is not None
    found = await registries.ratings(ctx.tx, row["home"], row["repository_id"], [number])
    if number not in found:
        return None
    rating = found[number]
    return Rating(likes=rating["likes"], dislikes=rating["dislikes"], as_of=stamp(rating["at"]))


async def _may_see(ctx: Context, row: PluginRegistryRow) -> bool:
    """Whether the caller may read the issues of the registry's repository."""
    if row["home"] is None or row["repository_id"] is None:
        return False
    if row["is_public"]:
        return True
    try:
        return row["home"] == ctx.installation_id and bool(
            await visible_repository(ctx, row["place"])
        )
    except Refused:
        return False


async def _reviews(ctx: Context, entry: Entry) -> list[Review]:
    """The newest comments on its issue."""
    row, number = entry.registry, entry.plugin.issue
    if number is None or not await _may_see(ctx, row):
        return []
    assert row["home"] is not None
    assert row["repository_id"] is not None
    found = await threads.newest(ctx.tx, row["home"], row["repository_id"], number, MOST_REVIEWS)
    newest = sorted(found, key=lambda each: each["updated_at"], reverse=True)[:MOST_REVIEWS]
    return [
        Review(
            author=each["author"],
            association=each["author_association"],
            at=stamp(each["updated_at"]),
            text=each["body"][:LONGEST_REVIEW],
        )
        for each in newest
    ]
