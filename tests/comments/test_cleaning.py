"""What agents write is clean when it is posted: no secrets, strangers or commands."""

import string
import time
from base64 import b64encode
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot import secret_formats
from bot.comments import cleaning, slash_commands
from bot.comments.cleaning import Cleaned
from tests.support.sampling import examples

JOINER = cleaning.WORD_JOINER
LETTERS = string.ascii_letters + string.digits
CAPITALS = string.ascii_uppercase + string.digits
PEM = "\n".join(["MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"] * 3)

# What `git config --list` shows after a checkout in CI.
BASIC = b64encode(b"x-access-token:ghs_aB3dE5gH7jK9mN1pQ3sT5vW7xY9zA1cD3eF5").decode()


def code(alphabet: str, size: int) -> st.SearchStrategy[str]:
    """Random characters, as in a secret: a placeholder repeats a few."""
    return st.text(alphabet, min_size=size, max_size=size).filter(lambda text: len(set(text)) > 8)


def secrets() -> st.SearchStrategy[str]:
    """Secrets of each form, as their issuers make them."""
    body = code(LETTERS, 40)
    begins = [
        *("ghp_", "gho_", "ghs_", "ghr_", "ghu_", "github_pat_", "glpat-", "sk-ant-api03-"),
        *("xoxb-", "npm_", "hf_", "sk_live_", "rk_test_", "GOCSPX-", "AIza"),
    ]
    return st.one_of(
        *(body.map(begin.__add__) for begin in begins),
        body.map("sk-proj-Ab1".__add__),
        code(CAPITALS, 16).map("AKIA".__add__),
        code(CAPITALS, 16).map("ASIA".__add__),
        body.map("hubbub_0123456789abcdef0123_".__add__),
        body.map(lambda text: f"pypi-AgEIcHlwaS5vcmc{text}"),
        body.map(lambda text: f"aws_secret_access_key = '{text}'"),
        body.map(lambda text: f"https://hooks.slack.com/services/T012345/B012345/{text}"),
        body.map(lambda text: f"SG.{text[:22]}.{text}xyz"),
        body.map(lambda text: f"eyJ{text}.eyJ{text}.{text}"),
        st.sampled_from(("", "RSA ", "OPENSSH ", "EC ")).map(
            lambda kind: (
                f"-----BEGIN {kind}PRIVATE KEY-----\n{PEM}\n-----END {kind}PRIVATE KEY-----"
            )
        ),
    )


TWO = ["a mention of dave", "a mention of zoe"]
FRAGMENTS = (
    *(
        "@octocat",
        "@everyone",
        "@acme/core",
        "a@b.example",
        "&#64;dave",
        "@&#100;ave",
        "@",
        "/hold",
    ),
    *(
        "\n/hold",
        "\r\n/claim now",
        "/usr/bin",
        "`",
        "``",
        "```",
        "\n```\n",
        "\n    ",
        "\n> ",
        "\n- ",
    ),
    *(
        "|",
        "\\",
        "<b>",
        "</details>\n",
        "<!--",
        "-->",
        "https://x.example/@dave",
        "](",
        ")",
        "[",
        " ",
    ),
    *(
        "\n",
        "\r",
        "\t",
        "\0",
        "\x1b",
        "\u2028",
        "\u200b",
        "\u2060",
        "ghp_",
        "AKIA",
        "sk-",
        "eyJ",
        ".",
    ),
    *("-----BEGIN ", "PRIVATE KEY-----", "-----END ", "-----", "word", "é", "_", "7"),
)
TEXTS = st.lists(st.sampled_from(FRAGMENTS) | secrets() | st.text(max_size=4), max_size=14).map(
    "".join
)
Clean = Callable[[str], Cleaned]
WAYS: tuple[Clean, ...] = (
    lambda text: cleaning.markdown(text, {"octocat"}),
    lambda text: cleaning.message(text, {"octocat"}),
    lambda text: cleaning.title(text, {"octocat"}),
    cleaning.note,
)


@given(TEXTS, st.sampled_from(WAYS))
@settings(max_examples=examples(40), deadline=None)
def test_a_clean_text_is_not_changed_again(text: str, clean: Clean) -> None:
    once = clean(text)
    assert clean(once.text) == Cleaned(once.text, [])
    assert bool(once.found) == (once.text != text)


@given(TEXTS, secrets(), TEXTS, st.sampled_from(WAYS))
@settings(max_examples=examples(40), deadline=None)
@example("x", "AKIA0123456789ABCDEF", "ghp_", cleaning.note)
def test_no_secret_survives(before: str, secret: str, after: str, clean: Clean) -> None:
    cleaned = clean(f"{before} {secret} {after}")
    # The same secret may stand there inside a longer word, which is none.
    if secret[-12:] not in before + after:
        assert secret[-12:] not in cleaned.text
    assert cleaned.found


@given(TEXTS)
@settings(max_examples=examples(40), deadline=None)
def test_no_line_of_a_clean_text_is_a_command(text: str) -> None:
    assert slash_commands.find(cleaning.markdown(text).text) == []


@pytest.mark.parametrize(
    "text",
    [
        "Ask @octocat, or @OctoCat's friend (@octocat).",
        "Write to dave@example.com and a.b+c@x.example.",
        "`@dave`, ``@eve ` @mallory`` and\n\n```\n@everyone\n/hold\n```",
        "Text\r\n\r\n    @dave\r\n",
        "> a `multi\n> line @dave` quote",
        "See https://x.example/@dave/post and [it](https://x.example/@dave).",
        "It is at www.npmjs.com/package/@types/node and www.x.example/?by=@dave.",
        "Run /usr/bin/env and docs/README, then type /hold.",
        "> /hold\n\n    /hold\n\n- [ ] 1/2",
        "At 5 @ 3, `sk-` and ghp_ begin tokens; AKIA too.",
        "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx and AKIAIOSFODNN7EXAMPLE are examples",
        "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
        "class sk-loading-indicator-spinner-for-the-page-of-tasks",
        "sha512-AIzaSyBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB/AIzaSyA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q==",
        "caf\u00e9 \U0001f680 \u2028 \t ok\r\nnext",
    ],
)
def test_a_text_without_any_of_these_is_unchanged(text: str) -> None:
    assert cleaning.markdown(text, {"octocat"}) == Cleaned(text, [])


@pytest.mark.parametrize(
    ("text", "clean", "found"),
    [
        ("Hi @dave!", f"Hi @{JOINER}dave!", ["a mention of dave"]),
        (
            "@everyone @here",
            f"@{JOINER}everyone @{JOINER}here",
            ["a mention of everyone", "a mention of here"],
        ),
        ("@acme/core", f"@{JOINER}acme/core", ["a mention of acme"]),
        # The name of a known person is no reason to mention a team.
        ("@octocat/core", f"@{JOINER}octocat/core", ["a mention of octocat"]),
        (
            "_@dave_ \u00e9@dave",
            f"_@{JOINER}dave_ \u00e9@{JOINER}dave",
            ["a mention of dave_", "a mention of dave"],
        ),
        ("&#64;dave", f"&#64;{JOINER}dave", ["a mention of dave"]),
        ("@&#100;ave", f"@{JOINER}&#100;ave", ["a mention of somebody"]),
        ("a lone ` @dave", f"a lone ` @{JOINER}dave", ["a mention of dave"]),
        ("| ` | @dave ` |", f"| ` | @{JOINER}dave ` |", ["a mention of dave"]),
        (
            "[x](https://x.example/)@dave",
            f"[x](https://x.example/)@{JOINER}dave",
            ["a mention of dave"],
        ),
        (
            "1www.x.example/@dave",  # no link on GitHub
            f"1www.x.example/@{JOINER}dave",
            ["a mention of dave"],
        ),
        ("/hold", "&#47;hold", ["a slash command"]),
        ("a\r\n  /claim it\r\nb", "a\r\n  &#47;claim it\r\nb", ["a slash command"]),
        ("</details>\n/approve", "</details>\n&#47;approve", ["a slash command"]),
        ("\x1b[31mred\x07", "[31mred", ["a control character"]),
        (
            f"key\n-----BEGIN RSA PRIVATE KEY-----\n{PEM}",
            "key\n[secret removed]",
            ["a private key"],
        ),
        ("&#64dave and &#x40zoe", f"&#64{JOINER}dave and &#x40{JOINER}zoe", TWO),
        # A link begins before the code, and code in a footnote is indented twice.
        ("<https://a.b/`>@dave`", f"<https://a.b/`>@{JOINER}dave`", TWO[:1]),
        ("a[^1]\n\n[^1]: b\n\n    @dave", f"a[^1]\n\n[^1]: b\n\n    @{JOINER}dave", TWO[:1]),
        # The parser has stopped looking for lists, and then for anything.
        (
            "> a\n" * 9000 + "\n- a\n\n    @dave",
            "> a\n" * 9000 + f"\n- a\n\n    @{JOINER}dave",
            TWO[:1],
        ),
        ("\n" * 10_001 + "/merge", "\n" * 10_001 + "&#47;merge", ["a slash command"]),
        ("/test-e2e all\n/usr/bin", "&#47;test-e2e all\n/usr/bin", ["a slash command"]),
        (
            "curl -H 'Authorization: Bearer ghs_aB3dE5gH7jK9mN1pQ3sT5vW7xY9zA1cD3eF5'.",
            "curl -H 'Authorization: Bearer [secret removed]'.",
            ["a GitHub token"],
        ),
        (
            r'{"log": "token:\nghs_aB3dE5gH7jK9mN1pQ3sT5vW7xY9zA1cD3eF5"}',
            r'{"log": "token:\n[secret removed]"}',
            ["a GitHub token"],
        ),
        (
            "At x/login?key%3Dsk_live_aB3dE5gH7jK9mN1pQ3sT5&x",
            "At x/login?key%3D[secret removed]&x",
            ["a Stripe key"],
        ),
        (
            f"extraheader = AUTHORIZATION: basic {BASIC}\n",
            "extraheader = AUTHORIZATION: basic [secret removed]\n",
            ["a GitHub token"],
        ),
    ],
)
def test_what_is_cleaned_shows_the_same_and_is_named(
    text: str, clean: str, found: list[str]
) -> None:
    assert cleaning.markdown(text, {"octocat"}) == Cleaned(clean, found)


def test_a_title_has_one_line_and_a_commits_message_has_no_code() -> None:
    assert cleaning.title("Mend\r\nit\x00\tnow").text == "Mend it now"
    assert cleaning.title("/hold it").text == "/hold it"
    assert cleaning.message("Mend `@dave`\n\n/hold\n").text == f"Mend `@{JOINER}dave`\n\n/hold\n"


def test_a_text_that_is_too_long_to_parse_is_cleaned_in_its_code_too() -> None:
    heavy = "```\n@dave\n/hold\n```\n"
    assert cleaning.markdown(heavy).found == []
    cleaned = cleaning.unparsed_markdown(heavy, {"octocat"})
    assert cleaned.text == f"```\n@{JOINER}dave\n&#47;hold\n```\n"
    assert cleaned.found == ["a mention of dave", "a slash command"]


@pytest.mark.parametrize(
    "piece",
    [
        *("@a ", "`@a", "> > > @a\n", "- - - @x\n", "/a\n", "sk-", "eyJ-", "eyJ.", "ghp_", "xoxb-"),
        *("-----BEGIN PRIVATE KEY-----\n", "https://a.", "&#00", "<a ", "secret_access_key = "),
    ],
)
def test_a_hostile_text_is_cleaned_in_bounded_time(piece: str) -> None:
    text = piece * (65_536 // len(piece))
    began = time.process_time()
    cleaning.markdown(text)
    assert time.process_time() - began < 2
    began = time.process_time()
    cleaning.unparsed_markdown(text)
    assert time.process_time() - began < 0.5


def test_the_first_secret_of_a_file_is_found_where_it_is() -> None:
    text = "a\nb = 'AKIA0123456789ABCDEF'\nc = 'ghp_aB3dE5gH7jK9mN1pQ3sT5vW7xY9zA1cD3eF5'"
    found = secret_formats.first(text)
    assert found is not None
    assert (found.name, text[: found.start].count("\n")) == ("an AWS key", 1)
    assert secret_formats.first("nothing\n" * 100) is None
