"""Types of arguments that several operations take."""

from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

from bot.kernel.patterns import Shape


def _check_not_blank(given: str) -> str:
    if not given.strip():
        raise ValueError("pass a text that is not blank")
    return given


NOT_BLANK = AfterValidator(_check_not_blank)
Fence: TypeAlias = Annotated[
    int, Field(ge=0, strict=True, description="the fence that claim_task returned")
]
Note: TypeAlias = Annotated[str, Field(max_length=4000)]
Label: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=255, description="a label of the issue")
]
Login: TypeAlias = Annotated[str, Field(min_length=1, max_length=100, description="a GitHub login")]
Logins: TypeAlias = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=100)]],
    Field(max_length=10, description="GitHub logins"),
]
CommentId: TypeAlias = Annotated[
    int, Field(ge=1, lt=2**63, description="from github_get_thread or get_write")
]
Title: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=256, description="one line"), NOT_BLANK
]
# GitHub takes 65,536 characters; the rest is for what we add.
Body: TypeAlias = Annotated[str, Field(max_length=60_000, description="Markdown")]


# Git takes these for other refs than the branch of that name, such as the default branch.
NOT_BRANCHES = ("HEAD", "@")
OTHER_REFS = ("refs/", "heads/")


def _branch(given: str) -> str:
    """The branch's own name, as `git check-ref-format` has it, without `refs/heads/`."""
    name = given.removeprefix("refs/heads/")
    if name in NOT_BRANCHES or name.startswith(OTHER_REFS):
        raise ValueError("pass the branch's own name, such as main")
    parts = name.split("/")
    wrong = not name or any(
        not each or each[0] == "." or each.endswith((".lock", ".")) for each in parts
    )
    if wrong or ".." in name or "@{" in name or name[0] == "-":
        raise ValueError("not a name that git takes for a branch")
    return name


Branch: TypeAlias = Annotated[
    str,
    Field(max_length=200),
    Shape(
        r"^[^\s~^:?*\[\\\x00-\x1f]+$",
        r"must be a name that git takes for a branch: no space, and none of ~^:?*[\ in it",
    ),
    AfterValidator(_branch),
]
PullRef: TypeAlias = Annotated[str, Field(description="owner/repo#12", max_length=300)]
Sha: TypeAlias = Annotated[
    str,
    Shape(
        r"^[0-9a-f]{40}([0-9a-f]{24})?$",
        "must be a commit's whole SHA, of 40 or 64 digits in lower case",
    ),
    Field(description="a commit's whole SHA"),
]
