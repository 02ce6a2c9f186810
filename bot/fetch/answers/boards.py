"""Apply answers about boards: projects, their fields and items."""

import json
from collections.abc import Sequence
from dataclasses import replace

from bot.fetch.answers.answer import Reading, put, twice_lacking, valid_rows
from bot.github import payloads
from bot.github.payloads import Json, Mirrored, at, maybe_number
from bot.identity.keyring import Keys
from bot.mirror import board_checks, reads
from bot.mirror.rows import board_rows
from store.engine.transaction import Row, Tx
from store.fetch import backfills
from store.mirror import board_syncs, mirror_rows, projects
from store.tables.boards import ProjectFieldRow

SELECT = "single_select"
# The name of a backfill part begins so, followed by the number of a project.
ITEMS = "items "


async def apply_projects(tx: Tx, keys: Keys, r: Reading) -> None:
    found = valid_rows(
        r, lambda each: board_rows.project(r.installation_id, each, read_at=r.read_at)
    )
    wanted = tuple(reads.board_fields(each.row["number"], each.row["id"]) for each in found)
    await put(tx, keys, r, found, wanted)
    if not r.is_complete(found):
        return
    there = {each.row["id"] for each in found}
    known = await projects.projects(tx, r.installation_id)
    lacking = {row["id"] for row in known} - there
    gone = await twice_lacking(tx, r, reads.ALL_PROJECTS, lacking)
    for row in known:
        if row["id"] in gone:
            await mirror_rows.hide(tx, "projects", row, r.read_at)
    # A project that lacks for the first time counts as there until the next look.
    for each in await board_syncs.of_installation(tx, r.installation_id):
        await board_checks.check(tx, r.installation_id, each["repository_id"], listed=True)


async def apply_fields(tx: Tx, _: Keys, r: Reading) -> None:
    found = [
        {
            "id": field_id,
            "project_id": r.arguments["project_id"],
            "node_id": payloads.text(at(each, "node_id"), 100),
            "name": payloads.text(at(each, "name"), 255),
            "type": payloads.text(at(each, "data_type"), 40),
            "options": json.dumps(_options(each)),
        }
        for each in r.entries
        if (field_id := payloads.maybe_number(at(each, "id"))) is not None
    ]
    before = await projects.fields(tx, r.installation_id, r.arguments["project_id"])
    await projects.replace_fields(tx, r.installation_id, r.arguments["project_id"], found)
    await _rename_values(tx, r, before)
    for each in await board_syncs.of_project(tx, r.installation_id, r.arguments["number"]):
        await board_checks.check(tx, r.installation_id, each["repository_id"])
    # Items are read after the fields, because their values refer to fields.
    await backfills.begin_new(tx, r.installation_id, 0, f"{ITEMS}{r.arguments['number']}")


async def _rename_values(tx: Tx, r: Reading, before: Sequence[ProjectFieldRow]) -> None:
    """No event says that somebody renamed an option, and its items do not change."""
    names = {(f["id"], o["id"]): o["name"] for f in before for o in f["options"]}
    for field in await projects.fields(tx, r.installation_id, r.arguments["project_id"]):
        for each in field["options"]:
            if names.get((field["id"], each["id"]), each["name"]) != each["name"]:
                here = (tx, r.installation_id, field["node_id"])
                await projects.rename_values(*here, each["id"], each["name"])


def _options(field: Json) -> list[Row]:
    options = at(field, "options")
    return [
        {"id": payloads.text(at(each, "id"), 100), "name": _name(at(each, "name"))}
        for each in (options if isinstance(options, list) else [])
    ]


def _name(value: Json) -> str:
    """The name of an option. GitHub may give it as {raw, html}."""
    return payloads.text(at(value, "raw") if isinstance(value, dict) else value, 255)


async def apply_item(tx: Tx, keys: Keys, r: Reading) -> None:
    await apply_items(tx, keys, replace(r, data=[r.data]))


async def apply_items(tx: Tx, keys: Keys, r: Reading) -> None:
    """Apply items. The arguments have `project_id`, and in `project` the project's node id."""
    known = await projects.fields(tx, r.installation_id, r.arguments["project_id"])
    nodes = {row["id"]: row["node_id"] for row in known if row["type"] == SELECT}
    found = valid_rows(r, lambda each: _item(r, each))
    by_id = {at(each, "id"): each for each in r.entries if maybe_number(at(each, "id")) is not None}
    values = [v for row in found for v in _values(r, row, by_id[row.row["id"]], nodes)]
    await put(tx, keys, r, [*found, *values])


def _item(r: Reading, item: Json) -> Mirrored:
    content = payloads.text(at(item, "content", "node_id"), 100)
    return board_rows.item(
        r.installation_id, item, r.arguments["project"], content, read_at=r.read_at
    )


def _values(r: Reading, row: Mirrored, item: Json, nodes: dict[int, str]) -> list[Mirrored]:
    given = at(item, "fields")
    return [
        board_rows.value_of(
            r.installation_id,
            row.row["id"],
            nodes[field_id],
            at(field, "value"),
            row.row["updated_at"],
            read_at=r.read_at,
        )
        for field in (given if isinstance(given, list) else [])
        if (field_id := payloads.maybe_number(at(field, "id"))) in nodes and field_id is not None
    ]
