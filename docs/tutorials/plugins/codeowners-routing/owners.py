"""The file CODEOWNERS, as GitHub reads it."""

import re

# GitHub ignores larger files.
LARGEST = 3 * 1024 * 1024


def parse(text):
    """The rules in their order: a pattern, and its owners."""
    rules = []
    for line in text[:LARGEST].splitlines():
        words = re.split(r"\s#", line.strip(), maxsplit=1)[0].split()
        if words and not words[0].startswith("#"):
            rules.append((matcher(words[0]), [each for each in words[1:] if "@" in each]))
    return rules


def of(rules, path):
    """The owners of a file: those of the last rule that fits, which may have none."""
    for matches, owners in reversed(rules):
        if matches(path):
            return owners
    return []


def matcher(pattern):
    """Whether a path fits a pattern: as in .gitignore, without ! and [ ]."""
    body = pattern.strip("/")
    parts = [one(part) for part in body.split("/")]
    # A pattern with a slash inside, or in front, begins at the root.
    front = "" if pattern.startswith("/") or "/" in body else "(?:.*/)?"
    # `docs/*` means the files of the folder alone; `docs` and `docs/` mean all below.
    last = body.rpartition("/")[2]
    is_folder = pattern.endswith("/")
    end = "/.*" if is_folder else "" if "*" in last and "/" in body else "(?:/.*)?"
    middle = "/".join(parts).replace("(?:.*)/", "(?:.*/)?")
    return re.compile(f"{front}{middle}{end}").fullmatch


def one(part):
    if part == "**":
        return "(?:.*)"
    return "".join(
        "[^/]*" if each == "*" else "[^/]" if each == "?" else re.escape(each) for each in part
    )
