"""The rows of an installation that belong to none of its repositories, and those between two."""

from bot.times import SECOND
from store.engine.transaction import Tx
from store.outbox.budgets import HOUR
from store.tables import TABLES
from tests.support.canaries import ME, OTHER, Side, insert


async def inhabit(tx: Tx, side: Side) -> None:
    """Insert what belongs to the whole installation."""
    now = await tx.now()
    await insert(
        tx,
        side,
        "installations",
        account_id=side.row_id(80),
        permissions={},
        repository_selection="selected",
        account=f"{side.word}-org",
    )
    own = f"{side.word}-agent"
    for agent in (ME, OTHER, "bob", "cat", own):
        await insert(
            tx,
            side,
            "agents",
            id=agent,
            role="tech-lead" if agent in (ME, own) else "developer",
            capabilities=[f"{side.word}-capability"],
            parent_id=None,
            last_active_at=now,
            paused_by=None,
            spent_of=None,
            health=None,
        )
        await insert(tx, side, "spending", hour=now // HOUR, author=agent, requests=1, last_at=now)
    await insert(tx, side, "people", id=side.row_id(81), login=side.login, login_key=side.login)
    await insert(tx, side, "budgets", resource="core")
    await insert(tx, side, "senders", lease_until=now + 60 * SECOND)
    await insert(tx, side, "allowances")
    await insert(tx, side, "requests")
    await insert(tx, side, "projects", id=side.row_id(82), node_id=f"PVT_{side.word}", number=1)
    await insert(
        tx,
        side,
        "project_fields",
        id=side.row_id(83),
        project_id=side.row_id(82),
        type="single_select",
        name="Status",
        options=[{"id": side.text("option"), "name": "Done"}],
    )
    await insert(
        tx,
        side,
        "project_items",
        id=side.row_id(84),
        project_node_id=f"PVT_{side.word}",
        content_node_id=f"I_{side.word}1",
        content_type="Issue",
    )
    await insert(tx, side, "project_values", item_id=side.row_id(84), field="Status")


async def relate(tx: Tx, one: Side, other: Side) -> None:
    """Tie issues of two repositories of an installation to each other."""
    where = f"task:{other.id('t', 2)}"
    await insert(
        tx, one, "context_grants", context_id=one.id("c", 1), grantee=where, granted_by=OTHER
    )
    await insert(
        tx,
        one,
        "events",
        seq=one.digits * 1000 + 900,
        kind="context.shared",
        subject=one.id("c", 1),
        actor=OTHER,
        data={"to": where, "access": "read"},
        audience=None,
    )
    ties = [("blocked_by", 4, 1), ("parent", 1, 3), ("parent", 8, 9)]
    for here, there in ((one, other), (other, one)):
        for kind, source, target in ties:
            await insert(
                tx,
                here,
                "relations",
                kind=kind,
                source_id=here.row_id(source),
                target_id=there.row_id(target),
                source_name=here.name(source),
                source_state="open",
                target_name=there.name(target),
                target_state="open",
                cyclic=0,
            )
        await insert(
            tx,
            here,
            "pull_links",
            pull_number=here.pull,
            issue_repository=there.full_name,
            issue_number=there.number(7),
            how="closes",
        )


async def set_head(tx: Tx, installation_id: int, seq: int) -> None:
    await tx.run(
        "INSERT INTO heads (installation_id, seq) VALUES (:i, :seq)", i=installation_id, seq=seq
    )


async def fill_the_rest(tx: Tx, side: Side) -> None:
    """Insert a row into each table of installations that has none of the side yet."""
    for table in TABLES.values():
        if "installation_id" in table.names:
            q = f"SELECT 1 AS yes FROM {table.name} WHERE installation_id = :i LIMIT 1"
            if await tx.one(q, i=side.installation_id) is None:
                await insert(tx, side, table.name)
