"""Finds code in the database, and collects the reads of what is missing there."""

from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from typing import NoReturn

from pydantic import Field

from bot.errors import Refused
from bot.github import rate_limit_store, rate_limits
from bot.github.git_objects import Entry, load
from bot.github.rate_limits import AGENTS_READ, LONG_WAIT
from bot.kernel.operation import Answer, Context
from bot.kernel.waitable import Waitable
from bot.mirror import code, reads
from bot.mirror.code import Diff
from bot.mirror.reads import Read
from bot.times import SECOND, stamp
from store.engine.transaction import Tx
from store.fetch import pending_reads
from store.mirror import code_objects
from store.mirror.code_objects import Here, Kind
from store.tables.mirror import RepositoryRow

# For so long, what GitHub refused is not asked for again.
REFUSED_FOR = 60 * SECOND
# The reads that one call queues at most. The next look queues more.
MOST_READS = 20
# About how long a read takes, in seconds.
READ_S = 0.3
EMPTY = "git repository is empty"
# In the answer to a comparison of branches that were begun apart.
NO_COMMON_ANCESTOR = "no common ancestor"


class CodeAnswer(Answer):
    repository: str
    pending: str | None = Field(
        None, description="what is still being read from GitHub, and when to ask again"
    )


class WhenRead(Waitable[CodeAnswer]):
    def is_final(self, answer: CodeAnswer) -> bool:
        return answer.pending is None


@dataclass
class Lookup:
    """One call's view of a repository's code. `missing`: what has to be read from GitHub."""

    ctx: Context
    where: RepositoryRow
    missing: list[Read] = field(default_factory=list)
    # Why the reads of this call are late.
    trouble: str | None = None
    _used: defaultdict[Kind, set[str]] = field(default_factory=lambda: defaultdict(set))
    _folders: dict[str, list[Entry]] = field(default_factory=dict)

    @property
    def here(self) -> Here:
        return self.ctx.installation_id, self.where["id"]

    @property
    def has_room(self) -> bool:
        """Whether this call queues what else is missing."""
        return len(self.missing) < MOST_READS

    async def want(self, read: Read) -> str | None:
        """Have something read. If GitHub refused that a moment ago, return its words instead."""
        row = await pending_reads.get(
            self.ctx.tx, self.ctx.installation_id, read.kind, read.subject
        )
        if row and row["state"] == "answered" and row["error"]:
            if self.ctx.now - (row["answered_at"] or 0) < REFUSED_FOR:
                return row["error"]
        elif row and row["state"] == "queued" and row["attempts"]:
            self.trouble = row["error"]
        self.missing.append(read)
        return None

    async def root(self, commit: str) -> str | None:
        """The SHA of the commit's root folder. None if it must be read first. Raise Refused."""
        self._used["commit"].add(commit)
        found = await code.root_of(self.ctx.tx, self.here, commit)
        if found is None:
            await self._need(reads.tree(self.where["id"], commit, of_commit=True))
        return found

    async def is_known(self, commit: str) -> bool:
        return await code.root_of(self.ctx.tx, self.here, commit) is not None

    async def folders(self, shas: list[str]) -> dict[str, list[Entry]]:
        """Those of the folders that are there. The others are read. Raise Refused."""
        wanted = [each for each in shas if each not in self._folders]
        found = await code_objects.get_all(self.ctx.tx, self.here, "tree", wanted)
        self._used["tree"].update(found)
        self._folders |= {sha: load(content) for sha, content in found.items()}
        for sha in wanted:
            if sha not in self._folders:
                await self._need(reads.tree(self.where["id"], sha))
        return {sha: self._folders[sha] for sha in shas if sha in self._folders}

    async def folder(self, sha: str) -> list[Entry] | None:
        return (await self.folders([sha])).get(sha)

    async def blob(self, sha: str) -> bytes | None:
        """The content of a file. None if it must be read first. Raise Refused."""
        self._used["blob"].add(sha)
        found = await code_objects.get(self.ctx.tx, self.here, "blob", sha)
        if found is None:
            await self._need(reads.blob(self.where["id"], sha))
        return found

    async def diff(self, key: str, read: Read) -> Diff | None:
        self._used["diff"].add(key)
        found = await code.diff(self.ctx.tx, self.here, key)
        if found is None:
            await self._need(read)
        return found

    async def _need(self, read: Read) -> None:
        if why := await self.want(read):
            refuse(self.where, why)

    async def pending(self) -> str | None:
        """Queue what is missing, and say so. None if nothing is."""
        here, ctx = self.here, self.ctx
        for kind, ids in self._used.items():
            if await code_objects.need_mark(ctx.tx, here, kind, ids):
                ctx.later.append(partial(code_objects.mark_used, here=here, kind=kind, ids=ids))
        if not self.missing:
            return None
        wanted = self.missing[:MOST_READS]

        async def queue(tx: Tx) -> None:
            await reads.queue_for(tx, ctx.installation_id, ctx.actor.name, wanted, ctx.now)

        ctx.later.append(queue)
        return await self._why_late() or (
            f"It is being read from GitHub. Ask again in {1 + round(len(wanted) * READ_S)} "
            "s, or pass `wait_s`."
        )

    async def _why_late(self) -> str | None:
        tx, i = self.ctx.tx, self.ctx.installation_id
        open_at = rate_limits.ready_at(await rate_limit_store.of(tx, i), AGENTS_READ, self.ctx.now)
        if open_at - self.ctx.now > LONG_WAIT:
            return f"GitHub's limit is used up. It is read after {stamp(open_at)}; ask again then."
        if self.trouble:
            return f"GitHub did not answer yet ({self.trouble}). Ask again in a minute."
        return None


def refuse(where: RepositoryRow, why: str) -> NoReturn:
    """Raise Refused with what GitHub answered to a read."""
    if EMPTY in why.casefold():
        raise Refused("unknown_ref", f"{where['full_name']} has no commit yet.")
    if NO_COMMON_ANCESTOR in why.casefold():
        raise Refused(
            "github_refused",
            "`base` and `head` have no commit in common, so there is no comparison. Read the files "
            "with github_read_files.",
        )
    raise Refused(
        "github_refused",
        f"GitHub refused to show this part of {where['full_name']} ({why}). It may be gone since "
        "a force push. Try a branch's name as `ref`.",
    )
