"""The tools of other servers that an agent may call."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from bot.errors import Refused
from bot.kernel.operation import Answer, Context, operation
from bot.kernel.pagination import Cursor, Limit, decode_number, encode
from bot.kernel.sentences import shorten
from bot.kernel.untrusted_text import visible
from bot.mounts import tool_search
from bot.mounts.tool_search import Text
from bot.operations.tools import plugin_tools
from bot.tools import tool_access, tool_finding, tool_names
from store.mounts import tool_lookup
from store.mounts.tool_lookup import FoundTool

# So few tools come with what they take, unless that is longer than so many characters.
WITH_SCHEMA, LONGEST_SCHEMA = 3, 6_000
# Servers in a note.
MOST_NAMED = 10
# Of what a tool is for.
LONGEST_ABOUT = 140


class ToolView(BaseModel):
    name: str = Field(description="for call_tool")
    about: str = Field(description="in the words of its server")
    takes: dict[str, Any] | None = Field(
        None, description="the JSON Schema of its arguments, if few tools match"
    )


class Tools(Answer):
    of_mirror = False

    tools: list[ToolView] = Field(description="the best first")
    total: int = Field(description="how many match")
    trusted: Literal[False] = Field(description="the texts are those of the servers")
    note: str = Field("", description="why the tool that was named, or any tool, is not here")
    next_cursor: str | None = None


@operation(reads_only=True)
async def find_tools(
    ctx: Context,
    query: Annotated[
        str, Field(max_length=300, description="words, or one tool's name for its arguments")
    ] = "",
    capability: Annotated[
        str | None, Field(max_length=60, description="only this capability")
    ] = None,
    server: Annotated[str | None, Field(max_length=40, description="only this server")] = None,
    limit: Limit = 10,
    cursor: Cursor = None,
) -> Tools:
    """Find tools of other servers, such as trackers, chats, wikis."""
    offset = decode_number(cursor) or 0
    rows = [
        row
        for row in await callable_rows(ctx, server)
        if capability is None or _has(row, capability)
    ]
    found = _with_name(rows, query) or [rows[at] for at in tool_search.rank(query, _texts(rows))]
    page = found[offset : offset + limit]
    schemas = await _schemas(ctx, page if len(found) <= WITH_SCHEMA else [])
    more = offset + limit < len(found)
    return Tools(
        tools=[_view(row, schemas.get(_key(row))) for row in page],
        total=len(found),
        trusted=False,
        note=await _note(ctx, query, rows, found),
        next_cursor=encode(str(offset + limit)) if more else None,
    )


async def callable_rows(ctx: Context, server: str | None = None) -> list[FoundTool]:
    """The tools of servers, and the operations of plug-ins, that the actor may call."""
    mounted = await tool_lookup.active(ctx.tx, ctx.installation_id, server)
    return [
        row
        for row in [*mounted, *await plugin_tools.rows(ctx, server)]
        if tool_access.may_call(ctx.actor, row["policy"], row["repositories"])
        and not row["policy"].get("parked")
    ]


async def _note(
    ctx: Context, query: str, rows: Sequence[FoundTool], found: Sequence[FoundTool]
) -> str:
    """Without it, an agent takes an empty list for the answer that there is nothing at all."""
    if tool_names.is_tool_name(name := query.strip()) and not _with_name(rows, name):
        return await _why_not(ctx, name)
    if found:
        return ""
    if not rows:
        return "There is no tool that you may call here."
    servers = sorted({row["server"] for row in rows})
    named = ", ".join(servers[:MOST_NAMED]) + (" and others" if len(servers) > MOST_NAMED else "")
    return (
        f"No tool has these words. {named} {'has' if len(servers) == 1 else 'have'} {len(rows)}: "
        "leave `query` out for a list, or try other words."
    )


async def _why_not(ctx: Context, name: str) -> str:
    try:
        tool_finding.check(ctx.actor, await tool_finding.find(ctx.tx, ctx.actor, name))
    except Refused as exc:
        return exc.message.removesuffix(" Nothing was sent.")
    return ""


def _has(row: FoundTool, capability: str) -> bool:
    wanted = capability.casefold()
    labels = [*row["policy"].get("capabilities", ()), *(row["options"].get("capabilities") or ())]
    return any(str(each).casefold() == wanted for each in labels)


def name_of(row: FoundTool) -> str:
    return tool_names.public_name(row["server"], row["name"])


def _key(row: FoundTool) -> tuple[str, str]:
    return row["mount_id"], row["name"]


def _with_name(rows: Sequence[FoundTool], query: str) -> list[FoundTool]:
    """The tool with exactly this name."""
    wanted = query.strip()
    return [row for row in rows if tool_names.is_tool_name(wanted) and name_of(row) == wanted]


def _texts(rows: Sequence[FoundTool]) -> list[Text]:
    return [Text(row["server"], row["name"], row["title"], row["description"]) for row in rows]


async def _schemas(ctx: Context, page: Sequence[FoundTool]) -> dict[tuple[str, str], Any]:
    added = [row for row in page if row["mount_id"].startswith(plugin_tools.MOUNT)]
    mounted = [_key(row) for row in page if row not in added]
    found = await tool_lookup.schemas(ctx.tx, ctx.installation_id, mounted) if mounted else {}
    found |= {_key(row): await plugin_tools.schema(ctx, row) for row in added}
    return {
        key: schema
        for key, schema in found.items()
        if len(str(schema)) <= LONGEST_SCHEMA or len(page) == 1
    }


def _view(row: FoundTool, schema: Any) -> ToolView:
    return ToolView(name=name_of(row), about=about(row["title"], row["description"]), takes=schema)


def about(title: str, description: str, longest: int = LONGEST_ABOUT) -> str:
    """What a tool is for, in one line."""
    text = visible(description).strip() or visible(title).strip()
    first = " ".join(text.partition("\n\n")[0].split())
    sentence, stop, _ = first.partition(". ")
    return shorten(f"{sentence}{stop}".strip(), longest)
