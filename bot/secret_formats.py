"""The forms of tokens and keys: finds them in texts and files, and masks them in texts.

Every search is linear in the length of the text. A text without the beginning of a secret costs
little more than a look for these beginnings.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

MASK = "[secret removed]"
# Fewer different characters are a placeholder, such as ghp_xxxxxxxx.
LEAST_DIFFERENT = 6


def _behind(kept: str) -> str:
    r"""None of these characters stands before a secret, but an escape such as \n or %3D may."""
    return rf"(?:(?<![{kept}])|(?<=\\[nrt])|(?<=%[0-9A-Fa-f]{{2}}))"


# What may not stand before a secret. Hashes and pictures in Base64 contain every short text.
LEFT = _behind("A-Za-z0-9/+")
WORD = r"[A-Za-z0-9_-]"
# For forms that look far ahead: otherwise each of many beginnings in one word looks to its end.
WORD_LEFT = _behind("A-Za-z0-9/+_-")
LETTER_LEFT = _behind("A-Za-z0-9")


@dataclass(frozen=True)
class Form:
    """A form of secrets. `name` has its article. Each text of the form contains a `hint`."""

    name: str
    hints: tuple[str, ...]
    expression: str

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Compiled when a text has a hint: for all forms it takes longer than a short command."""
        return re.compile(self.expression)


@dataclass(frozen=True)
class Secret:
    """Where a secret is in a text."""

    name: str
    start: int
    end: int

    def part_of(self, text: str) -> str:
        return text[self.start : self.end]


def _form(name: str, *hints: str, pattern: str, left: str = LEFT) -> Form:
    # Each form takes what follows without a gap, so that nothing of a longer one stays.
    return Form(name, hints, f"{left}(?:{pattern}){WORD}*")


FORMS = (
    _form(
        "a GitHub token",
        *(f"gh{each}_" for each in "pousr"),
        pattern=rf"gh[pousr]_{WORD}{{30,}}(?:\.{WORD}+)*",
        left=LETTER_LEFT,
    ),
    _form("a GitHub token", "github_pat_", pattern=r"github_pat_\w{22,}", left=""),
    # `x-access-token:` and a token in Base64: the header that CI gives to git.
    _form(
        "a GitHub token",
        "eC1hY2Nlc3MtdG9rZW46",
        pattern=r"eC1hY2Nlc3MtdG9rZW46[A-Za-z0-9+/]{30,}={0,2}",
    ),
    _form(
        "a Hubbub token",
        "hubbub_",
        pattern=rf"hubbub_[0-9a-f]{{20}}_{WORD}{{20,}}",
        left=LETTER_LEFT,
    ),
    _form(
        "an AWS key",
        "AKIA",
        "ASIA",
        # AWS uses keys that end with EXAMPLE in its documentation.
        pattern=r"(?:AKIA|ASIA)(?![A-Z0-9]{9}EXAMPLE)[A-Z0-9]{16}",
    ),
    _form(
        "an AWS key",
        "secret_access_key",
        "SECRET_ACCESS_KEY",
        pattern=r"""(?:secret_access_key|SECRET_ACCESS_KEY)["']?\s{0,9}[=:]\s{0,9}["']?"""
        r"(?![A-Za-z0-9/+]{30}EXAMPLEKEY)[A-Za-z0-9/+]{40}",
        left="",
    ),
    _form("a Slack token", "xox", "xapp-", pattern=rf"(?:xox[abeoprs]|xapp)-{WORD}{{20,}}"),
    _form(
        "a Slack webhook",
        "hooks.slack.com/services/T",
        pattern=r"hooks\.slack\.com/services/T\w{6,}/B\w{6,}/\w{16,}",
        left="",
    ),
    _form("an Anthropic key", "sk-ant-", pattern=rf"sk-ant-{WORD}{{20,}}"),
    _form(
        "an OpenAI key",
        "sk-",
        # A slug has no digits and capitals together.
        pattern=rf"sk-(?={WORD}*[0-9])(?={WORD}*[A-Z]){WORD}{{32,}}",
        left=WORD_LEFT,
    ),
    _form("a Google key", "AIza", pattern=rf"AIza{WORD}{{35}}"),
    _form("a Google key", "GOCSPX-", pattern=rf"GOCSPX-{WORD}{{24,}}"),
    _form("a Stripe key", "_live_", "_test_", pattern=r"[sr]k_(?:live|test)_[A-Za-z0-9]{16,}"),
    _form("an npm token", "npm_", pattern=r"npm_[A-Za-z0-9]{36}"),
    _form("a PyPI token", "pypi-", pattern=rf"pypi-{WORD}{{50,}}"),
    _form("a GitLab token", "glpat-", pattern=rf"glpat-{WORD}{{20,}}"),
    _form("a Hugging Face token", "hf_", pattern=r"hf_[A-Za-z0-9]{34}"),
    _form("a SendGrid key", "SG.", pattern=rf"SG\.{WORD}{{22}}\.{WORD}{{43}}"),
    # The header and the claims both begin with {" in Base64.
    _form(
        "a JSON web token",
        "eyJ",
        pattern=rf"eyJ{WORD}{{10,}}\.eyJ{WORD}{{10,}}\.{WORD}{{10,}}",
        left=WORD_LEFT,
    ),
)
BEGIN = "-----BEGIN "
KEY_BEGINS = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
KEY_ENDS = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
# A line of a key. A block without one is a placeholder, or somebody writes about keys.
KEY_LINE = re.compile(r"[A-Za-z0-9+/=]{40,}")
# In a short text one search for all hints is faster than a search for each.
SHORT = 1000
# A longer text is searched part by part, so that no search holds up other threads for long.
LONGEST_PART, LONGEST_LOOK = 128 * 1024, 4096
# No form of a secret has the first ones, and hardly one of them the others.
BETWEEN = (re.compile(r"[,;(){}\[\]<>\n]"), re.compile(r"[\s\"'|&]"))


def mask(text: str) -> tuple[str, list[str]]:
    """The text with each secret masked, and the names of what was found."""
    if len(text) < SHORT and _hints().search(text) is None:
        return text, []
    text, names = _mask_form(None, text)
    parts = []
    for part in _parts(text):
        for form in FORMS:
            part, found = _mask_form(form, part)  # noqa: PLW2901
            names += found
        parts.append(part)
    return "".join(parts), list(dict.fromkeys(names))


@cache
def _hints() -> re.Pattern[str]:
    """Finds whatever a secret may begin with."""
    found = {BEGIN, *(hint for form in FORMS for hint in form.hints)}
    return re.compile("|".join(map(re.escape, sorted(found))))


def _parts(text: str) -> Iterator[str]:
    at = 0
    while len(text) - at > LONGEST_PART:
        end = _end_of_part(text, at + LONGEST_PART)
        yield text[at:end]
        at = end
    yield text[at:]


def _end_of_part(text: str, start: int) -> int:
    last = min(start + LONGEST_LOOK, len(text))
    for pattern in BETWEEN:
        if found := pattern.search(text, start, last):
            return found.end()
    return last


def _mask_form(form: Form | None, text: str) -> tuple[str, list[str]]:
    names, pieces, at = [], [], 0
    for each in _all_of(form, text):
        pieces += [text[at : each.start], MASK]
        names.append(each.name)
        at = each.end
    return ("".join([*pieces, text[at:]]) if pieces else text), names


def mask_all(value: Any) -> Any:
    """A JSON value with the secrets in its texts masked."""
    if isinstance(value, str):
        return mask(value)[0]
    if isinstance(value, list):
        return [mask_all(each) for each in value]
    if isinstance(value, dict):
        return {name: mask_all(each) for name, each in value.items()}
    return value


def first(text: str, known: Collection[str] = ()) -> Secret | None:
    """The first secret in a text that is not among those that are known."""
    firsts = (
        next((each for each in _all_of(form, text) if each.part_of(text) not in known), None)
        for form in (None, *FORMS)
    )
    return min((each for each in firsts if each), key=lambda each: each.start, default=None)


def texts(text: str) -> set[str]:
    """All secrets in a text."""
    return {each.part_of(text) for form in (None, *FORMS) for each in _all_of(form, text)}


def _all_of(form: Form | None, text: str) -> Iterator[Secret]:
    """The secrets of a form. Private keys have no form of their own: None stands for them."""
    if form is None:
        yield from _private_keys(text)
    elif any(hint in text for hint in form.hints):
        for match in form.pattern.finditer(text):
            if len(set(match[0])) >= LEAST_DIFFERENT + len(set(match[0][:4])):
                yield Secret(form.name, *match.span())


def _private_keys(text: str) -> Iterator[Secret]:
    at = 0
    while (begin := text.find(BEGIN, at)) >= 0:
        header = KEY_BEGINS.match(text, begin)
        at = header.end() if header else begin + len(BEGIN)
        if header is None:
            continue
        # The next line of dashes ends the key, or begins another one.
        dashes = text.find("-----", at)
        last = len(text) if dashes < 0 else dashes
        lines = [each.end() for each in KEY_LINE.finditer(text, at, last)]
        if not lines:
            continue
        closing = KEY_ENDS.match(text, last)
        at = closing.end() if closing else lines[-1]
        yield Secret("a private key", begin, at)
