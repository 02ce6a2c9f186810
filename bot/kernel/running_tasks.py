"""Tasks that a loop began and does not wait for."""

import asyncio
from collections.abc import Iterable


async def finish(running: Iterable[asyncio.Task[None]], timeout_s: float) -> None:
    """Wait for what runs, but not for long. Another process looks after the rest."""
    tasks = list(running)
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=timeout_s)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
