"""The library that the team of `tests.benchmarks.trial` builds: its tasks and their files."""

from dataclasses import dataclass

CONVENTIONS = """\
# Conventions of slugs

- Python 3.11 and newer, no dependencies, type hints everywhere.
- One public function in each module; its name is the module's.
- Raise ValueError for what cannot be done, with a message that says what to pass.
- Each module has its tests in tests/test_<module>.py: one test for each rule, named by outcome.
- Docstrings say what is returned and what is raised, in one or two sentences.
- Commit one file at a time, and open one pull request for each task.
- Ask in a message before you change what another task owns.
"""


@dataclass(frozen=True)
class Piece:
    """A task of the plan. `after`: the number of the piece that must be done before, from 1."""

    word: str
    title: str
    body: str
    priority: str = "medium"
    after: int = 0
    commits: int = 2
    asks_agent: bool = False
    shows_message: bool = False
    asks_people: bool = False
    comments: bool = False
    hands_over: bool = False
    is_sent_back: bool = False
    lead_reviews: bool = False

    @property
    def branch(self) -> str:
        return f"work/{self.word}"

    @property
    def files(self) -> tuple[str, ...]:
        return (f"src/slugs/{self.word}.py", f"tests/test_{self.word}.py", f"docs/{self.word}.md")


def pieces() -> list[Piece]:
    made = [
        ("slugify", {"priority": "high", "comments": True, "is_sent_back": True}),
        ("unslugify", {"asks_people": True, "asks_agent": True, "shows_message": True}),
        ("truncate", {"hands_over": True, "comments": True}),
        ("separators", {"is_sent_back": True, "lead_reviews": True, "commits": 3}),
        ("unicode", {"asks_agent": True, "comments": True, "shows_message": True}),
        ("stopwords", {"asks_people": True, "is_sent_back": True, "after": 1}),
        ("unique", {"asks_agent": True, "shows_message": True, "lead_reviews": True}),
        ("cli", {"after": 1, "commits": 3, "is_sent_back": True, "asks_people": True}),
        ("readme", {"after": 2, "comments": True, "lead_reviews": True, "hands_over": True}),
        ("release", {"after": 8, "priority": "low", "shows_message": True}),
    ]
    return [
        Piece(word=word, title=f"Write {word} of the library", body=_body(word), **more)  # type: ignore[arg-type]
        for word, more in made
    ]


def _body(word: str) -> str:
    return (
        f"The module `slugs.{word}` is missing. It must work on any text that Python can hold, "
        "without dependencies, and in linear time.\n\n"
        "What it has to do:\n\n"
        f"- `{word}(text)` returns a new text and never changes its argument.\n"
        "- An empty text, a text of spaces and a text of punctuation each have a test.\n"
        "- A wrong type raises `TypeError`, and what cannot be done raises `ValueError`.\n\n"
        "Done when the tests pass, the docstring names its limits, and the page in `docs` has an "
        "example for each rule. Keep to the context `conventions`."
    )


def source(piece: Piece, n: int) -> str:
    """The whole text of a file, at its version `n`."""
    lines = [f'"""Part {n} of {piece.word}."""', ""]
    for k in range(25):
        lines += [
            "",
            f"def {piece.word}_{n}_{k}(text: str) -> str:",
            f'    """Return the text by rule {k}. Raise ValueError for an empty one."""',
            "    if not text:",
            f'        raise ValueError("pass a text that is not empty (rule {k})")',
            f"    return text.replace({chr(97 + k)!r}, '-')",
        ]
    return "\n".join(lines) + "\n"
