"""A transaction is tried again when the server asks for it or was away."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pymysql import err

from store.engine import mysql_errors
from store.engine.mysql_address import Address
from store.engine.mysql_pool import Pool

T = TypeVar("T")

TRIES = 8


async def retry(
    once: Callable[[], Awaitable[T]],
    pool: Pool,
    seconds: float,
    renew: Callable[[Address], Awaitable[bool]],
) -> T:
    """Try `once` again for some seconds. Raise StoreError if the server cannot do it at all.

    `renew`: whether the pool has another address by now than this one, which was refused.
    """
    give_up = asyncio.get_running_loop().time() + seconds
    for n in range(TRIES):
        where = pool.where
        try:
            return await once()
        except err.MySQLError as exc:
            last = n == TRIES - 1 or asyncio.get_running_loop().time() > give_up
            if last or not (mysql_errors.is_unauthorised(exc) and await renew(where)):
                _raise_unless_retriable(exc, where, pool, last=last)
        await asyncio.sleep(random.uniform(0, 0.01 * 2**n))  # noqa: S311 - spreads, hides nothing
    raise AssertionError


def _raise_unless_retriable(exc: err.MySQLError, where: Address, pool: Pool, *, last: bool) -> None:
    lost, refused = mysql_errors.is_lost(exc), mysql_errors.is_refused(exc)
    if lost or refused:
        # The other connections are lost too, or another server has taken over.
        pool.drop_idle()
    if refused:
        raise mysql_errors.refused_by_server(where, exc) from exc
    if not lost and not mysql_errors.is_conflict(exc):
        raise exc
    if last:
        raise mysql_errors.unreachable(where, exc) from exc
