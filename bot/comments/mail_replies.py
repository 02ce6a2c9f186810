"""Finds what a mail program adds to an answer by mail: the message answered, and the signature.

GitHub posts an answer by mail as a comment with all of that. Lines that begin with `>` are quotes
already; here are those that have no such mark.
"""

import re
from collections.abc import Sequence

# A longer line is no line of a mail program.
LONGEST = 400
# A signature has few lines. After a line of two hyphens more of them are no signature.
LONGEST_SIGNATURE = 12
# How many lines a mail program needs for the sentence before the message.
MOST_LINES = 3
# How many lines below the sender the other headers stand.
HEADERS = 6

# The sentence before the message, with a date or a time: `On Mon, 30 Nov 2026, Ada wrote:`.
SENTENCE = re.compile(
    r"(?:On\b.*\d.*\bwrote|Am\b.*\d.*\bschrieb\b.*|.*\bschrieb am\b.*\d.*|Le\b.*\d.*\ba écrit"
    r"|El\b.*\d.*\bescribió|Il\b.*\d.*\bha scritto|Em\b.*\d.*\bescreveu|Op\b.*\d.*\bschreef\b.*"
    r"|.*\d.*(?:пишет|написал(?:\(а\))?|写道|寫道|のメール|님이 작성)|\d{4}年\d.*)\s?[:：]",  # noqa: RUF001
    re.IGNORECASE,
)
# In a language that is not among these, it has a time, and the address of the sender in brackets.
# GitHub writes `***@***.***>` for the address.
ADDRESSED = re.compile(r"(?=.*\b\d{1,2}[:.]\d\d\b)(?=.*\S@[^\s<>]+>).*[:：]")  # noqa: RUF001
SEPARATOR = re.compile(
    r"-{2,} ?(?:on\b.*\d.*\bwrote|original message|forwarded message|ursprüngliche nachricht"
    r"|message d'origine"
    r"|mensaje original|messaggio originale|mensagem original|oorspronkelijk bericht|原始邮件"
    r"|原始郵件|元のメッセージ) ?-{2,}",
    re.IGNORECASE,
)
SENDER = re.compile(r"\W{0,3}(?:from|von|de|da|van|发件人|差出人)\W{0,3}[:：]", re.IGNORECASE)  # noqa: RUF001
HEADER = re.compile(
    r"\W{0,3}(?:sent|date|to|cc|subject|gesendet|datum|an|betreff|envoyé|à|objet|enviado|fecha|para"
    r"|asunto|inviato|data|a|oggetto|verzonden|aan|onderwerp|assunto|发送时间|收件人|主题|送信日時"
    r"|宛先|件名)\W{0,3}[:：]",  # noqa: RUF001
    re.IGNORECASE,
)
SIGNATURE = re.compile(r"--[ \u00a0]")
FENCE = re.compile(r" {0,3}(?:```|~~~)")


def lines_of_mail(lines: Sequence[str]) -> set[int]:
    """The numbers of the lines that a mail program added. They count from 1."""
    found: set[int] = set()
    in_code, n = False, 0
    while n < len(lines):
        in_code ^= FENCE.match(lines[n]) is not None
        end = n if in_code else _end_of_mail(lines, n)
        found.update(range(n + 1, end + 1))
        n = max(end, n + 1)
    return found


def _end_of_mail(lines: Sequence[str], n: int) -> int:
    """Where what the mail program added ends, if it begins with this line; else this line."""
    if len(lines[n]) > LONGEST:
        return n
    if _begins_message(lines, n) or _begins_signature(lines, n):
        return len(lines)
    length = _sentence(lines, n)
    return _end_of_quote(lines, n + length) if length else n


def _begins_signature(lines: Sequence[str], n: int) -> bool:
    return SIGNATURE.fullmatch(lines[n]) is not None and len(lines) - n <= LONGEST_SIGNATURE


def _begins_message(lines: Sequence[str], n: int) -> bool:
    """Whether it is a separator, or the first of the headers of a message."""
    line = lines[n].strip()
    if SEPARATOR.fullmatch(line):
        return True
    if not SENDER.match(line):
        return False
    below = [each for each in lines[n + 1 : n + 1 + HEADERS] if HEADER.match(each[:LONGEST])]
    return len(below) >= 2


def _sentence(lines: Sequence[str], n: int) -> int:
    """Over how many lines the sentence before a message goes that begins here; 0 if none does."""
    joined = ""
    for length, line in enumerate(lines[n : n + MOST_LINES], 1):
        words = line.strip()
        if not words or len(joined) + len(words) > LONGEST or words.startswith(">"):
            return 0
        joined = f"{joined} {words}".strip()
        if words.endswith((":", "：")) and _is_sentence(joined):  # noqa: RUF001
            return length
    return 0


def _is_sentence(line: str) -> bool:
    return bool(SENTENCE.fullmatch(line) or ADDRESSED.fullmatch(line))


def _end_of_quote(lines: Sequence[str], n: int) -> int:
    """Where the message ends. Without marks it goes on to the end; with marks answers may follow.

    GitHub shows a line right below a quote as a part of it, up to the next blank line.
    """
    quoted = n
    while quoted < len(lines) and not lines[quoted].strip():
        quoted += 1
    if quoted == len(lines) or not lines[quoted].lstrip().startswith(">"):
        return len(lines)
    while quoted < len(lines) and lines[quoted].lstrip().startswith(">"):
        quoted += 1
    return quoted
