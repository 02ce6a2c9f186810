"""Steps over many rows, each in a transaction of its own: a bug with one never stops the rest."""

from collections.abc import Awaitable

import structlog

log = structlog.get_logger()


async def attempt(step: Awaitable[int], failure: str, **where: object) -> int:
    """Return what the step returns; 0 after a bug, which is logged as `failure`."""
    try:
        return await step
    except Exception:  # a bug: the others must go on
        log.exception(failure, **where)
        return 0
