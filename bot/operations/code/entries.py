"""What stands at a path of a commit."""

from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, Field

from bot.github.git_objects import FOLDER, LINK, SUBMODULE, Entry
from bot.kernel.patterns import Shape
from bot.operations.code.lookup import CodeAnswer, Lookup
from bot.operations.code.places import Commit
from bot.operations.token_sizes import size

# The entry at a path where nothing is. Only this one has no SHA.
NOTHING = Entry("", "", "")


def _path(given: str) -> str:
    """The path without what means the folder itself. A path goes down only."""
    parts = [each for each in given.split("/") if each not in ("", ".")]
    if ".." in parts:
        raise ValueError("must not have .. in it")
    return "/".join(parts)


CodePath: TypeAlias = Annotated[
    str,
    Field(max_length=1024),
    Shape(r"^[^\x00-\x1f\x7f]*$", "must have no control characters"),
    AfterValidator(_path),
]


class CommitAnswer(CodeAnswer):
    commit: str | None = Field(None, description="the SHA of the commit that is shown")
    head: str | None = Field(None, description="the branch's head now, if it is another commit")


def frame(look: Lookup, at: Commit | None) -> dict[str, Any]:
    named = {"commit": at.sha, "head": at.head} if at else {}
    return {"repository": look.where["full_name"], **named}


@dataclass(frozen=True)
class Item:
    """An entry of the folder at a path."""

    folder: str
    entry: Entry

    @property
    def path(self) -> str:
        return f"{self.folder}/{self.entry.name}".lstrip("/")

    @property
    def cost(self) -> int:
        return size(line(self.path, self.entry)) + 1


def line(path: str, entry: Entry) -> str:
    ends = {FOLDER: "/", LINK: " link", SUBMODULE: f" submodule {entry.sha}"}
    return path + ends.get(entry.mode, f" {entry.size}")


async def at_path(look: Lookup, at: Commit, path: str) -> Entry | None:
    """What is at the path: None if it must be read first, NOTHING if nothing is there."""
    root = await look.root(at.sha)
    found = Entry("", FOLDER, root) if root else None
    for name in path.split("/") if path else ():
        folder = await look.folder(found.sha) if found and found.is_folder else None
        if found is None or (found.is_folder and folder is None):
            return None
        found = next((each for each in folder or () if each.name == name), NOTHING)
    return found
