"""What the settings of a repository decide about a text, by who wrote it. Pure."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from bot.repository.repository_settings import Action, RepositorySettings

# `collaborator`: may write to the repository. `bot`: another App. `ghost`: the account is deleted.
Writer: TypeAlias = Literal["collaborator", "bot", "ghost", "other"]


@dataclass(frozen=True)
class Policy:
    """`edited`: for texts that somebody edited after the reader claimed the task."""

    others: Action
    bots: Action
    edited: Action
    longest: int

    def action(self, writer: Writer) -> Action:
        if writer == "ghost" and self.others == "show":
            return "mark"
        return {"collaborator": "show", "bot": self.bots}.get(writer, self.others)


def of(settings: RepositorySettings, *, private: bool) -> Policy:
    """On a private repository somebody let in everybody who writes, so they count as known.

    Bots count as outsiders there too, because they pass on what strangers wrote elsewhere.
    """
    given = settings.texts
    usual: Action = "show" if private else "mark"
    return Policy(
        others=usual if given.others == "auto" else given.others,
        bots=given.bots,
        edited=given.edited_after_claim,
        longest=given.longest_untrusted,
    )
