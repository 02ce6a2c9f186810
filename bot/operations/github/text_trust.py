"""Decides how agents get texts from GitHub: whole, marked and bounded, or not at all.

It depends on who wrote a text, who edited it since the reader claimed its task, and the policy of
the repository. Every text of an answer passes through here.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from bot.comments import authorship
from bot.identity.actors import TRUSTED
from bot.kernel import untrusted_text
from bot.kernel.operation import Context
from bot.repository import repository_settings, text_policy
from bot.repository.text_policy import Policy, Writer
from store.mirror import text_edits, text_policies
from store.mirror.text_edits import TextKey
from store.mirror.text_policies import PolicyState
from store.tables.mirror import TextEditRow
from store.tasks import open_claims

# If the mirror lacks the repository by now.
STRICT = Policy(others="mark", bots="mark", edited="mark", longest=200)
WHY_WITHHELD: dict[Writer, str] = {
    "other": "the repository withholds texts of people without write access",
    "ghost": "the repository withholds texts of people without write access",
    "bot": "the repository withholds texts of bots",
}
WHY_EDITED = "it was edited after you claimed the task; ask a person whether the edit counts"
# In place of a title, a branch or a path that the policy withholds.
WITHHELD = "[withheld]"


class Author(NamedTuple):
    """Who wrote a text in a repository. An `id` of None: only the login is known."""

    repository_id: int
    login: str
    id: int | None
    association: str = ""


@dataclass(frozen=True)
class Judged:
    """A text as the reader may have it. `withheld`: why it is empty."""

    text: str
    trusted: bool = True
    left_out: int = 0
    withheld: str | None = None
    edited_since_claim: bool = False
    edited_by: str | None = None


@dataclass(frozen=True)
class Judge:
    """What decides about the texts of one answer."""

    policies: Mapping[int, Policy]
    # Whose permissions let them write: by repository and login, the person's id.
    writers: Mapping[tuple[int, str], int] = field(default_factory=dict)
    edits: Mapping[TextKey, TextEditRow] = field(default_factory=dict)
    # The id of Hubbub's own bot user, which posts for agents.
    bot: int | None = None

    def writer(self, author: Author) -> Writer:
        if authorship.is_bot(author.login):
            is_ours = author.id is not None and authorship.is_ours(
                author.login, author.id, self.bot
            )
            return "collaborator" if is_ours else "bot"
        if author.login in ("", authorship.GHOST):
            return "ghost"
        person = self.writers.get((author.repository_id, author.login.casefold()))
        may_write = person is not None and author.id in (None, person)
        return "collaborator" if author.association in TRUSTED or may_write else "other"

    def judge(self, author: Author, text: str, key: TextKey | None = None) -> Judged:
        """`key`: which text it is, if it may have been edited."""
        policy = self._policy(author.repository_id)
        writer = self.writer(author)
        action = policy.action(writer)
        if action == "withhold":
            return Judged("", trusted=False, withheld=WHY_WITHHELD[writer])
        edited = self.judge_edit(key, text) if key else Judged(text)
        if action == "show":
            return edited
        cut = untrusted_text.visible_part(edited.text, policy.longest)
        return replace(edited, text=cut.text, trusted=False, left_out=cut.left_out)

    def judge_edit(self, key: TextKey, text: str) -> Judged:
        """Only by whether somebody edited the text after the reader claimed its task."""
        policy = self._policy(key.repository_id)
        edit = self.edits.get(key)
        if edit is None or policy.edited == "show":
            return Judged(text)
        by = edit["editor"] or None
        if policy.edited == "withhold":
            return Judged("", withheld=WHY_EDITED, edited_since_claim=True, edited_by=by)
        return Judged(text, edited_since_claim=True, edited_by=by)

    def label(self, author: Author, text: str, key: TextKey | None = None) -> tuple[str, bool]:
        """A title, a branch or a path, and whether the reader may trust it."""
        judged = self.judge(author, text, key)
        return (WITHHELD if judged.withheld else judged.text), judged.trusted

    def shows(self, author: Author) -> bool:
        """Whether the policy passes anything that the author wrote."""
        return self._policy(author.repository_id).action(self.writer(author)) != "withhold"

    def _policy(self, repository_id: int) -> Policy:
        return self.policies.get(repository_id, STRICT)


async def judge_of(
    ctx: Context,
    authors: Iterable[Author],
    texts: Collection[TextKey] = (),
    known: Sequence[PolicyState] = (),
) -> Judge:
    """What decides about texts of these authors. It asks the database as little as it can.

    `texts`: those that may have been edited. `known`: policies that the caller has read already.
    """
    authors = set(authors)
    policies = {row["id"]: _policy(row) for row in known}
    if missing := {each.repository_id for each in authors} - policies.keys():
        rows = await text_policies.states(ctx.tx, ctx.installation_id, missing)
        policies |= {row["id"]: _policy(row) for row in rows}
    found = Judge(policies, bot=authorship.bot_in(ctx.state))
    outsiders = {
        each
        for each in authors
        if found.writer(each) == "other"
        and policies.get(each.repository_id, STRICT).others != "show"
    }
    if not outsiders and not texts:
        return found
    return replace(found, writers=await _writers(ctx, outsiders), edits=await _edits(ctx, texts))


def _policy(row: PolicyState) -> Policy:
    settings = repository_settings.parse_or_default(row["settings"])
    return text_policy.of(settings, private=bool(row["private"]))


async def _writers(ctx: Context, outsiders: Collection[Author]) -> dict[tuple[int, str], int]:
    """Webhooks call members whose membership is private strangers, so permissions count too."""
    if not outsiders:
        return {}
    where = {each.repository_id for each in outsiders}
    logins = {each.login for each in outsiders}
    rows = await text_policies.writers(ctx.tx, ctx.installation_id, where, logins)
    return {(row["repository_id"], row["login_key"]): row["person_id"] for row in rows}


async def _edits(ctx: Context, texts: Collection[TextKey]) -> dict[TextKey, TextEditRow]:
    """The edits of these texts since the reader claimed their tasks."""
    if not texts:
        return {}
    since: dict[tuple[int, int], int] = {}
    for row in await open_claims.live(ctx.tx, ctx.installation_id, ctx.actor.name):
        for number in (row["number"], row["pull_number"]):
            if number is not None:
                since[row["repository_id"], number] = row["granted_at"]
    found: dict[TextKey, TextEditRow] = {}
    claimed = since.keys() & {(each.repository_id, each.number) for each in texts}
    for repository_id in {where for where, _ in claimed}:
        numbers = {number for where, number in claimed if where == repository_id}
        for edit in await text_edits.of_threads(
            ctx.tx, ctx.installation_id, repository_id, numbers
        ):
            if edit["seen_at"] > since[repository_id, edit["number"]]:
                found[text_edits.key(edit)] = edit
    return found
