"""The full-text search of the mirror. It finds the same texts on every engine, newest first.

A row of `search_texts` is one text. Its number `doc` grows with the time at which the text was
written, so the newest texts come first without sorting. On SQLite, triggers copy the rows into the
FTS5 table `search_words`. MySQL has a FULLTEXT index; without it, each row is compared.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypedDict, cast

from store.engine import json_text, key_values, reach, sql
from store.engine.transaction import Row, Tx
from store.mirror.search_terms import terms
from store.mirror.stored_repositories import PRESENT, VISIBLE
from store.tables import TABLES
from store.tables.columns import Authored, Mirrored

Kind: TypeAlias = Literal["issue", "pull_request", "comment", "review", "review_comment"]
# The tables that are searched. An issue or a pull request is a thread. A pull request has a row in
# both tables of THREADS; its text is that of the newer row.
THREADS = ("issues", "pull_requests")
PARTS: dict[str, Kind] = {
    "comments": "comment",
    "reviews": "review",
    "review_comments": "review_comment",
}
SEARCHED = (*THREADS, *PARTS)
COLUMNS = TABLES["search_texts"].names
KEY = ("installation_id", "doc")
# The order of texts that were written in the same second.
KINDS: tuple[Kind, ...] = ("issue", "pull_request", "comment", "review", "review_comment")
SECOND = 1_000_000
# Greater than every `doc`.
LAST = 2**63 - 1
Way: TypeAlias = Literal["fts5", "fulltext", "plain"]
Plan: TypeAlias = tuple[tuple[Way, int], ...]
# How a page is found. Each entry is a round, with the number of rows that it looks at: of matching
# rows, or with `plain` of any rows.
PLANS: dict[Way, Plan] = {
    "fts5": (("fts5", 2000),) * 5,
    "fulltext": (("fulltext", 0),),
    "plain": (("plain", 2000),) * 5,
}
# FULLTEXT always finds all matches, however few the caller needs. If at least COMMON of the NEWEST
# texts match, `plain` is faster, and its time is bounded.
NEWEST, COMMON = 500, 10
# The name under which `catch_up` stores its progress (a table and the key of its last row), and
# the value when it is complete.
REACHED, DONE = "search index", "done"


@dataclass(frozen=True)
class Query:
    """A search. A text must have all `terms`. `before` is a `doc`. The other fields are filters."""

    terms: list[str]
    repository_id: int | None = None
    kind: Kind | None = None
    state: str | None = None
    label: str | None = None
    author: str | None = None
    # The repositories that the actor may see. None: all.
    reach: frozenset[int] | None = None
    before: int | None = None


@dataclass(frozen=True)
class Written:
    """What a text says, without what Hubbub put around it. `agent`: who had it posted, or ''."""

    agent: str
    text: str


# Reads a row that has a body. Hubbub's marks are known only above the store.
Reader: TypeAlias = Callable[[Row], Written]


def as_it_stands(row: Row) -> Written:
    return Written("", row["body"])


class Thread(Mirrored, Authored):
    """An issue or a pull request: the columns that both tables have, from the newer row."""

    installation_id: int
    id: int
    repository_id: int
    number: int
    title: str
    body: str
    state: str
    labels: str
    created_at: int
    updated_at: int
    is_pull_request: bool


class Hit(TypedDict):
    """A text that matches."""

    doc: int
    kind: Kind
    repository_id: int
    number: int
    row_id: int
    full_name: str


class HitText(Hit):
    """A text that matches, with its content.

    `title` is the title of the issue or pull request, and `opener` who wrote that.
    """

    title: str
    opener: Authored
    body: str
    author: str
    author_id: int
    author_association: str
    written_at: int


# --- Indexing -------------------------------------------------------------------------------------


async def index(tx: Tx, table: str, row: Row, read: Reader = as_it_stands) -> None:
    """Update the index after a mirrored row was added, changed or deleted. `row`: as it is now."""
    if table in THREADS:
        await _put(tx, OF_THREAD, _thread_key(row), await _thread(tx, row, read))
    elif table in PARTS:
        kind = PARTS[table]
        part = {"i": row["installation_id"], "id": row["id"], "kind": kind}
        await _put(tx, OF_PART, part, _part(row, kind, read))


OF_THREAD = "installation_id = :i AND repository_id = :r AND number = :n AND row_id = 0"
OF_PART = "installation_id = :i AND row_id = :id AND kind = :kind"


def _thread_key(row: Row) -> Row:
    return {"i": row["installation_id"], "r": row["repository_id"], "n": row["number"]}


async def _thread(tx: Tx, row: Row, read: Reader) -> Row | None:
    """The entry of an issue or a pull request. None if it was deleted."""
    if row.get("is_pull_request", 1):
        newest = await thread(tx, row["installation_id"], row["repository_id"], row["number"])
    else:  # the only row of its number
        newest = None if row["deleted"] else cast("Thread", row)
    if newest is None:
        return None
    names = [name.casefold() for name in json_text.value(newest["labels"])]
    more = {"state": newest["state"], "labels": "".join(f"\n{name}" for name in names) + "\n"}
    kind: Kind = "pull_request" if newest["is_pull_request"] else "issue"
    written = read({**newest})
    found = terms(f"{newest['title']}\n{written.text}")
    return {**_entry(newest, kind, 0, found, written.agent), **more}


async def thread(tx: Tx, installation_id: int, repository_id: int, number: int) -> Thread | None:
    """The newer of the two rows of a pull request, or the only row of an issue."""
    here = {"i": installation_id, "r": repository_id, "n": number}
    q = "SELECT * FROM {} WHERE installation_id = :i AND repository_id = :r AND number = :n"
    rows = [each for table in THREADS for each in await tx.all(q.format(table), **here)]
    # A deleted row counts most, then the newer row, then the row of the pull request.
    newest = max(rows, key=lambda each: (each["version"][:18], "draft" in each), default=None)
    if newest is None or newest["deleted"]:
        return None
    found: Thread = newest | {
        "is_pull_request": any(each.get("is_pull_request", 1) for each in rows)
    }
    return found


def _part(row: Row, kind: Kind, read: Reader) -> Row | None:
    """The entry of a comment or a review. None if it was deleted or has no words."""
    written = read(row)
    found = [] if row["deleted"] else terms(written.text)
    return _entry(row, kind, row["id"], found, written.agent) if found else None


def _entry(row: Row, kind: Kind, row_id: int, found: list[str], agent: str) -> Row:
    """An entry of the index. The terms have a space at both ends, for `plain`."""
    return {
        "installation_id": row["installation_id"],
        "doc": _place(written_at(row), kind, row["id"]),
        "kind": kind,
        "repository_id": row["repository_id"],
        "number": row["number"],
        "row_id": row_id,
        "author_key": row["author"].casefold(),
        "agent_key": agent.casefold(),
        "state": "",
        "labels": "",
        "terms": f" {' '.join([_tenant(row['installation_id']), *found])} ",
    }


def written_at(row: Row) -> int:
    """When an issue, pull request, comment or review was written, in microseconds."""
    return int(row.get("created_at") or row.get("submitted_at") or row["updated_at"])


def _tenant(installation_id: int) -> str:
    """The installation as a term, because SQLite's FTS5 table has the texts of all of them."""
    return f"i_{installation_id}"


def _place(at: int, kind: Kind, id_: int) -> int:
    """The `doc`: the second, then the kind, then the lowest bits of the id."""
    return (at // SECOND << 30) + (KINDS.index(kind) << 27) + id_ % (1 << 27)


async def _put(tx: Tx, is_known: str, key: Row, new: Row | None) -> None:
    """`is_known`: a condition with the parameters `key`, for the entry that the row has."""
    known, taken = await _entries(tx, is_known, key, new)
    if known is not None and (new is None or known["doc"] >> 30 != new["doc"] >> 30):
        q = "DELETE FROM search_texts WHERE installation_id = :i AND doc = :doc"
        await tx.run(q, i=known["installation_id"], doc=known["doc"])
        known = None
    if new is not None and known is None:
        doc = await _free(tx, new) if taken else new["doc"]
        await tx.run(sql.insert("search_texts", COLUMNS), **{**new, "doc": doc})
    elif new is not None and known is not None:
        await _change(tx, known, new)


async def _entries(tx: Tx, is_known: str, key: Row, new: Row | None) -> tuple[Row | None, bool]:
    """The entry that the row has, and whether some entry has the `doc` of the new one."""
    q = f"SELECT s.*, 1 AS known FROM search_texts s WHERE {is_known}"
    if new is None:
        return await tx.one(q, **key), False
    taken = f"SELECT s.*, 0 AS known FROM search_texts s WHERE {_has_doc(tx)}"
    rows = await tx.all(f"{q} UNION ALL {taken}", **key, doc=new["doc"])
    known = next((row for row in rows if row["known"]), None)
    return known, any(not row["known"] for row in rows)


def _has_doc(tx: Tx) -> str:
    """The condition for a `doc`. On SQLite it is unique in all installations together."""
    return "doc = :doc" if tx.dialect == "sqlite" else "installation_id = :i AND doc = :doc"


async def _free(tx: Tx, new: Row) -> int:
    """A free `doc`, because texts of one second may have the same."""
    doc = int(new["doc"])
    q = f"SELECT doc FROM search_texts WHERE {_has_doc(tx)}"
    while await tx.one(q, i=new["installation_id"], doc=doc):
        doc += 1
    return doc


async def _change(tx: Tx, known: Row, new: Row) -> None:
    """Update only the changed columns, because the engines would index the same words again."""
    changed = [name for name in COLUMNS if name not in KEY and new[name] != known[name]]
    if changed:
        sets = ", ".join(f"{name} = :{name}" for name in changed)
        await tx.run(
            f"UPDATE search_texts SET {sets} WHERE installation_id = :i AND doc = :doc",
            **{name: new[name] for name in changed},
            i=known["installation_id"],
            doc=known["doc"],
        )


# --- Indexing older rows -------------------------------------------------------------------------


async def catch_up(tx: Tx, limit: int, read: Reader = as_it_stands) -> int:
    """Index the next rows that are older than the index. Return how many; 0 if none are left."""
    place = await key_values.get(tx, REACHED) or f"{SEARCHED[0]} 0 0"
    if place == DONE:
        return 0
    table, installation_id, id_ = place.split()
    rows = await _following(tx, table, int(installation_id), int(id_), limit)
    if not rows:
        await key_values.put(tx, REACHED, _next(table))
        return await catch_up(tx, limit, read)
    # Lock the repositories like every change of the mirror, so that no newer row is overwritten.
    for each in sorted({(row["installation_id"], row["repository_id"]) for row in rows}):
        q = "SELECT id FROM repositories WHERE installation_id = :i AND id = :r FOR UPDATE"
        await tx.one(q, i=each[0], r=each[1])
    for row in rows:
        q = f"SELECT * FROM {table} WHERE installation_id = :i AND id = :id"
        now = await tx.one(q, i=row["installation_id"], id=row["id"])
        if now is not None:
            await index(tx, table, now, read)
    await key_values.put(tx, REACHED, f"{table} {rows[-1]['installation_id']} {rows[-1]['id']}")
    return len(rows)


async def _following(tx: Tx, table: str, installation_id: int, id_: int, limit: int) -> list[Row]:
    """The next rows in the order of the key, all of one installation."""
    q = (
        f"SELECT installation_id, id, repository_id FROM {table} WHERE installation_id = :i "
        "AND id > :id ORDER BY id LIMIT :n"
    )
    if rows := await tx.all(q, i=installation_id, id=id_, n=limit):
        return rows
    further = f"SELECT MIN(installation_id) AS i FROM {table} WHERE installation_id > :i"
    row = await tx.one(further, i=installation_id)
    if row is None or row["i"] is None:
        return []
    return await tx.all(q, i=row["i"], id=-1, n=limit)


def _next(table: str) -> str:
    after = SEARCHED.index(table) + 1
    return f"{SEARCHED[after]} 0 0" if after < len(SEARCHED) else DONE


# --- Searching ------------------------------------------------------------------------------------


async def find(
    tx: Tx, installation_id: int, query: Query, limit: int, plan: Plan | None = None
) -> tuple[list[Hit], int | None]:
    """The texts that match, newest first, and where the next page begins, if there is one.

    A page is short if very many texts have the words, and few of them pass the filters.
    """
    found: list[Hit] = []
    before = query.before if query.before is not None else LAST
    for way, scan in plan or PLANS[await _way(tx, installation_id, query)]:
        given = {"i": installation_id, "before": before, **_words(installation_id, query, way)}
        floor = await _floor(tx, way, given, scan)
        more = {"floor": floor, "n": limit + 1 - len(found), **_filters(query)}
        found += await tx.all(_page(query, way), **given, **more)
        if len(found) > limit:
            return found[:limit], found[limit - 1]["doc"]
        if floor == 0:
            return found, None
        before = floor
    return found, before


async def _way(tx: Tx, installation_id: int, query: Query) -> Way:
    if tx.dialect == "sqlite":
        return "fts5"
    q = (
        "SELECT 1 AS x FROM information_schema.statistics WHERE table_schema = DATABASE() "
        "AND table_name = 'search_texts' AND index_type = 'FULLTEXT' LIMIT 1"
    )
    if await tx.one(q) is None:
        return "plain"
    return "plain" if await _is_common(tx, installation_id, query) else "fulltext"


async def _is_common(tx: Tx, installation_id: int, query: Query) -> bool:
    given = {"i": installation_id, "before": LAST, **_words(installation_id, query, "plain")}
    floor = await _floor(tx, "plain", given, NEWEST)
    row = await tx.one(
        f"SELECT COUNT(*) AS n FROM {SOURCE['plain'][0]} WHERE s.installation_id = :i "
        f"AND s.doc >= :floor AND {_matching(query, 'plain')}"
        # What is out of reach must not decide, because the caller could measure it.
        f"{reach.within(query.reach, 's.repository_id')}",
        **given,
        **reach.parameters(query.reach),
        floor=floor,
    )
    return row is not None and int(row["n"]) >= COMMON


def _words(installation_id: int, query: Query, way: Way) -> Row:
    """The words as parameters of the statements."""
    if way == "fts5":
        return {"words": " AND ".join(f'"{t}"' for t in (_tenant(installation_id), *query.terms))}
    if way == "fulltext":
        return {"words": " ".join(f"+{t}" for t in query.terms)}
    return {f"word_{n}": f" {t} " for n, t in enumerate(query.terms)}


async def _floor(tx: Tx, way: Way, given: Row, scan: int) -> int:
    """The smallest `doc` that a round looks at, so that it ends soon. 0 if it looks at all."""
    if way == "fulltext":
        return 0
    if way == "fts5":
        doc, source, match = "rowid", "search_words", "search_words MATCH :words"
    else:
        doc, source, match = "s.doc", SOURCE[way][0], "s.installation_id = :i"
    row = await tx.one(
        f"SELECT {doc} AS doc FROM {source} WHERE {match} AND {doc} < :before "
        f"ORDER BY {doc} DESC LIMIT 1 OFFSET {scan - 1}",
        **given,
    )
    return int(row["doc"]) if row else 0


# For each way: the source of the rows, and the column with the `doc`. SQLite keeps the order of a
# CROSS JOIN, so it reads the matches first, in the order of their index.
SOURCE: dict[Way, tuple[str, str]] = {
    "fts5": (
        "search_words CROSS JOIN search_texts s ON s.doc = search_words.rowid",
        "search_words.rowid",
    ),
    "fulltext": ("search_texts s", "s.doc"),
    # Without the hint MySQL may use a smaller index and sort all texts of the installation.
    "plain": ("search_texts s FORCE INDEX (PRIMARY)", "s.doc"),
}


def _matching(query: Query, way: Way) -> str:
    if way == "fts5":
        return "search_words MATCH :words"
    if way == "fulltext":
        return "MATCH (s.terms) AGAINST (:words IN BOOLEAN MODE)"
    return " AND ".join(f"INSTR(s.terms, :word_{n}) > 0" for n in range(len(query.terms)))


def _page(query: Query, way: Way) -> str:
    """The statement of one page. The texts of a deleted issue or pull request are not found."""
    source, doc = SOURCE[way]
    return (
        "SELECT s.doc, s.kind, s.repository_id, s.number, s.row_id, r.full_name "
        f"FROM {source} CROSS JOIN search_texts t ON t.installation_id = s.installation_id "
        "AND t.repository_id = s.repository_id AND t.number = s.number AND t.row_id = 0 "
        "CROSS JOIN repositories r ON r.installation_id = s.installation_id "
        "AND r.id = s.repository_id "
        f"WHERE {_matching(query, way)} AND {doc} < :before AND {doc} >= :floor "
        f"AND s.installation_id = :i AND {VISIBLE} AND {PRESENT}{_filter_sql(query)} "
        f"ORDER BY {doc} DESC LIMIT :n"
    )


FILTERS = {
    "repository_id": "s.repository_id = :repository_id",
    "kind": "s.kind = :kind",
    "state": "t.state = :state",
    "label": "INSTR(t.labels, :label) > 0",
    "author": "(s.author_key = :author OR s.agent_key = :author)",
    "reach": "s.repository_id IN :reach",
}


def _filter_sql(query: Query) -> str:
    return "".join(f" AND {FILTERS[name]}" for name in _filters(query))


def _filters(query: Query) -> Row:
    label = None if query.label is None else f"\n{query.label.casefold()}\n"
    given = {
        "repository_id": query.repository_id,
        "kind": query.kind,
        "state": query.state,
        "label": label,
        "author": None if query.author is None else query.author.casefold(),
        "reach": None if query.reach is None else sorted(query.reach),
    }
    return {name: value for name, value in given.items() if value is not None}


# --- The content of hits --------------------------------------------------------------------------


async def texts(tx: Tx, installation_id: int, found: list[Hit]) -> list[HitText]:
    """The hits with their content. A hit whose text was deleted in the meantime is left out."""
    shown: list[HitText] = []
    threads: dict[tuple[int, int], Thread | None] = {}
    for entry in found:
        here = (entry["repository_id"], entry["number"])
        if here not in threads:
            threads[here] = await thread(tx, installation_id, *here)
        about = threads[here]
        text = about if entry["row_id"] == 0 else await _mirror_row(tx, installation_id, entry)
        if about is None or text is None:
            continue
        shown.append(
            {
                **entry,
                "title": about["title"],
                "opener": {
                    "author": about["author"],
                    "author_id": about["author_id"],
                    "author_association": about["author_association"],
                },
                "body": text["body"],
                "author": text["author"],
                "author_id": text["author_id"],
                "author_association": text["author_association"],
                "written_at": written_at(text),
            }
        )
    return shown


async def _mirror_row(tx: Tx, installation_id: int, entry: Hit) -> Row | None:
    table = next(table for table, kind in PARTS.items() if kind == entry["kind"])
    row = await tx.one(
        f"SELECT * FROM {table} WHERE installation_id = :i AND id = :id AND deleted = 0",
        i=installation_id,
        id=entry["row_id"],
    )
    there = row is not None and all(
        row[name] == entry[name] for name in ("repository_id", "number")
    )
    return row if there else None
