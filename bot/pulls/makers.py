"""Who made a pull request. On GitHub all agents are one account, the App."""

from store.engine.transaction import Tx
from store.outbox import writes
from store.tables.mirror import PullRequestRow


async def maker_of(tx: Tx, pull: PullRequestRow) -> str:
    """The agent by whose write it was opened, or else its author's @login."""
    if is_by_app(pull):
        target = writes.on_branch(pull["repository_id"], pull["head_ref"])
        write = await writes.newest(tx, pull["installation_id"], target, "pull")
        if write is not None:
            return write["author"]
    return f"@{pull['author'] or 'ghost'}"


def is_by_app(pull: PullRequestRow) -> bool:
    """Whether an App opened it. No person's login ends like this."""
    return pull["author"].endswith("[bot]")
