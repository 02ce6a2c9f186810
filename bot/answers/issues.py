"""Issues, comments, labels, milestones, relations."""

from bot import payloads
from bot.answers.reading import Reading, put
from bot.events.relations import issue_name
from bot.keys import Keys
from bot.payloads import Json, Mirrored, at
from bot.rows import issues as made
from store import mirror as stored
from store import relations
from store.transaction import Row, Tx


def issue(r: Reading) -> list[Mirrored]:
    return [made.issue(*r.here, r.data, read_at=r.read_at)]


def issues(r: Reading) -> list[Mirrored]:
    return [made.issue(*r.here, each, read_at=r.read_at) for each in r.listed]


def comment(r: Reading) -> list[Mirrored]:
    return [made.comment(*r.here, r.arguments["number"], r.data, read_at=r.read_at)]


def comments(r: Reading) -> list[Mirrored]:
    """Of the whole repository: each says by an address which issue it is on."""
    return [
        made.comment(*r.here, number, each, read_at=r.read_at)
        for each in r.listed
        if (number := last_number(at(each, "issue_url"))) is not None
    ]


def last_number(url: Json) -> int | None:
    found = payloads.text(url).rpartition("/")[2]
    return int(found) if found.isdecimal() and len(found) < 16 else None


def milestones(r: Reading) -> list[Mirrored]:
    return [made.milestone(*r.here, each, read_at=r.read_at) for each in r.listed]


async def labels(tx: Tx, keys: Keys, r: Reading) -> None:
    found = [made.label(*r.here, each, read_at=r.read_at) for each in r.listed]
    await put(tx, keys, r, found)
    if not r.whole:
        return
    there = {each.row["id"] for each in found}
    for label_id in await stored.label_ids(tx, *r.here):
        if label_id not in there:
            await stored.hide_label(tx, r.installation_id, label_id, r.read_at)


async def blocked_by(tx: Tx, _: Keys, r: Reading) -> None:
    this = await stored.issue(tx, *r.here, r.arguments["number"])
    if this is None:
        return
    found = [_relation("blocked_by", (this, ""), each) for each in _issues(r)]
    await relations.replace_targets(tx, r.installation_id, "blocked_by", this["id"], found)


async def sub_issues(tx: Tx, _: Keys, r: Reading) -> None:
    this = await stored.issue(tx, *r.here, r.arguments["number"])
    if this is None:
        return
    found = [_turned(_relation("parent", (this, ""), each)) for each in _issues(r)]
    await relations.replace_sources(tx, r.installation_id, "parent", this["id"], found)


def _issues(r: Reading) -> list[Json]:
    return [each for each in r.listed if payloads.maybe_number(at(each, "id")) is not None]


def _relation(kind: str, this: tuple[Row, str], other: Json) -> Row:
    issue, name = this
    return {
        "kind": kind,
        "source_id": issue["id"],
        "source_name": name,
        "source_state": issue["state"],
        "target_id": at(other, "id"),
        "target_name": issue_name(other),
        "target_state": payloads.text(at(other, "state"), 20),
    }


def _turned(relation: Row) -> Row:
    """The other end is the source."""
    ends = {"source": "target", "target": "source"}
    return {
        f"{ends[end]}_{rest}" if end in ends else name: value
        for name, value in relation.items()
        for end, _, rest in [name.partition("_")]
    }
