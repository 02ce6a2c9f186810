"""The tools of other servers that an agent may call."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from bot.comments.untrusted_text import visible
from bot.kernel.operation import Answer, Context, operation
from bot.kernel.pagination import Cursor, Limit, decode_number, encode
from bot.kernel.sentences import shorten
from bot.mounts import tool_access, tool_names, tool_search
from bot.mounts.tool_search import Text
from bot.operations.tools import plugin_tools
from store.mounts import tool_lookup
from store.mounts.tool_lookup import FoundTool

# So few tools come with what they take, unless that is longer than so many characters.
WITH_SCHEMA, LONGEST_SCHEMA = 3, 6_000
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
        for row in await _all_rows(ctx, server)
        if tool_access.may_call(ctx.actor, row["policy"], row["repositories"])
        and not row["policy"].get("parked")
        and (capability is None or _has(row, capability))
    ]
    found = _with_name(rows, query) or [rows[at] for at in tool_search.rank(query, _texts(rows))]
    page = found[offset : offset + limit]
    schemas = await _schemas(ctx, page if len(found) <= WITH_SCHEMA else [])
    more = offset + limit < len(found)
    return Tools(
        tools=[_view(row, schemas.get(_key(row))) for row in page],
        total=len(found),
        trusted=False,
        next_cursor=encode(str(offset + limit)) if more else None,
    )


async def _all_rows(ctx: Context, server: str | None) -> list[FoundTool]:
    """The tools of servers, and the operations of plug-ins."""
    mounted = await tool_lookup.active(ctx.tx, ctx.installation_id, server)
    return [*mounted, *await plugin_tools.rows(ctx, server)]


def _has(row: FoundTool, capability: str) -> bool:
    wanted = capability.casefold()
    labels = [*row["policy"].get("capabilities", ()), *(row["options"].get("capabilities") or ())]
    return any(str(each).casefold() == wanted for each in labels)


def _name(row: FoundTool) -> str:
    return tool_names.public_name(row["server"], row["name"])


def _key(row: FoundTool) -> tuple[str, str]:
    return row["mount_id"], row["name"]


def _with_name(rows: Sequence[FoundTool], query: str) -> list[FoundTool]:
    """The tool with exactly this name."""
    wanted = query.strip()
    return [row for row in rows if tool_names.is_tool_name(wanted) and _name(row) == wanted]


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
    return ToolView(name=_name(row), about=about(row["title"], row["description"]), takes=schema)


def about(title: str, description: str, longest: int = LONGEST_ABOUT) -> str:
    """What a tool is for, in one line."""
    text = visible(description).strip() or visible(title).strip()
    first = " ".join(text.partition("\n\n")[0].split())
    sentence, stop, _ = first.partition(". ")
    return shorten(f"{sentence}{stop}".strip(), longest)
