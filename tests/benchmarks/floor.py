"""What intake is measured by: a handler that reads the body and checks its signature.

With FLOOR_DATABASE_URL it also inserts the body, by one statement and one commit for each.
"""

import asyncio
import hashlib
import hmac
import os
import sqlite3
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import aiomysql
from aiohttp import web

from store.engine.mysql_address import address
from tests.benchmarks.processes import SECRET

Insert: TypeAlias = Callable[[str, bytes], Awaitable[None]]

TABLE = "CREATE TABLE floor_deliveries (guid VARCHAR(80) PRIMARY KEY, payload {blob} NOT NULL)"
DURABLE = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"


async def insert_nothing(_: str, __: bytes) -> None:
    return


async def into(url: str) -> Insert:
    if not url:
        return insert_nothing
    return _into_sqlite(url) if url.startswith("sqlite:") else await _into_mysql(url)


def _into_sqlite(url: str) -> Insert:
    db = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    db.executescript(DURABLE)
    db.execute(TABLE.format(blob="BLOB"))

    async def insert(guid: str, body: bytes) -> None:
        db.execute("INSERT INTO floor_deliveries VALUES (?, ?)", (guid, body))

    return insert


async def _into_mysql(url: str) -> Insert:
    where = address(url)
    pool = await aiomysql.create_pool(
        host=where.host,
        port=where.port,
        user=where.user,
        password=where.password,
        db=where.database,
        autocommit=True,
        maxsize=16,
    )

    async def insert(guid: str, body: bytes) -> None:
        async with pool.acquire() as connection, connection.cursor() as cursor:
            await cursor.execute("INSERT INTO floor_deliveries VALUES (%s, %s)", (guid, body))

    async with pool.acquire() as connection, connection.cursor() as cursor:
        await cursor.execute("DROP TABLE IF EXISTS floor_deliveries")
        await cursor.execute(TABLE.format(blob="LONGBLOB"))
    return insert


def handler(insert: Insert) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def receive(request: web.Request) -> web.Response:
        body = await request.read()
        found = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        good = hmac.compare_digest(found, request.headers["X-Hub-Signature-256"])
        if good:
            await insert(request.headers["X-GitHub-Delivery"], body)
        return web.json_response({"accepted": good}, status=202 if good else 401)

    return receive


async def main() -> None:
    app = web.Application()
    insert = await into(os.environ.get("FLOOR_DATABASE_URL", ""))
    app.router.add_post("/webhooks/github", handler(insert))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print("listening on http://{}:{}".format(*runner.addresses[0]), flush=True)  # noqa: T201
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
