"""Writes with the address that GitHub gave to each, as people look at them."""

from pydantic import Field

from bot.kernel.operation import Context
from bot.operations.github.writes import Listed, list_entries
from store.tables.outbox import WriteRow


class LinkedWrite(Listed):
    url: str | None = Field(None, description="where its effect is on GitHub")


async def with_links(ctx: Context, rows: list[WriteRow]) -> list[LinkedWrite]:
    listed = await list_entries(ctx, rows)
    return [
        LinkedWrite(**each.model_dump(), url=(row["result"] or {}).get("url"))
        for each, row in zip(listed, rows, strict=True)
    ]
