"""Writes release notes from the tasks that were completed since a date or a release."""

import re
from datetime import UTC, datetime, timedelta

import pluggy

hook = pluggy.HookimplMarker("hubbub")
DATE = re.compile(r"\d{4}-\d\d-\d\d")
# Pages of a hundred tasks, the newest first.
MOST_PAGES = 5
# Of tasks without a label that has a group.
OTHER = "Other changes"
RELEASES = 100


class Plugin:
    @hook
    def operations(self):
        return {"draft_notes": draft_notes, "mark_release": mark_release}

    @hook
    def panels(self):
        return {"draft": panel}


async def draft_notes(hubbub, repository, since=""):
    begin = await beginning(hubbub, repository, since)
    done = await completed(hubbub, repository, begin)
    return {"since": begin, "tasks": len(done), "markdown": markdown(hubbub, done)}


async def mark_release(hubbub, repository, name):
    # A caller who may not see the repository is refused here.
    await hubbub.call("list_tasks", {"repository": repository, "limit": 1})
    made = {"name": name, "at": hubbub.now}

    def with_release(releases):
        if any(each["name"] == name for each in releases):
            raise ValueError(f"{name} is marked already. Choose another name.")
        return [*releases, made][-RELEASES:]

    await hubbub.change(key(repository), with_release, default=[])
    return made


async def panel(hubbub):
    parts = []
    for repository in hubbub.settings["repositories"]:
        try:
            draft = await draft_notes(hubbub, repository)
        except hubbub.Refused:  # the reader may not see it
            continue
        parts.append(f"# {repository}, since {draft['since']}\n\n{draft['markdown']}")
    return "\n".join(parts) or "Name repositories in the setting `repositories`."


def key(repository):
    return f"releases/{repository.lower()}"


async def beginning(hubbub, repository, since):
    """The date or the time from which on tasks count."""
    if DATE.fullmatch(since):
        return since
    releases = await hubbub.get(key(repository), default=[])
    if since:
        for each in releases:
            if each["name"] == since:
                return each["at"]
        known = ", ".join(each["name"] for each in releases) or "none"
        raise ValueError(
            f"{since!r} is no date such as 2026-01-31, and no release that mark_release knows. "
            f"It knows {known}."
        )
    if releases:
        return releases[-1]["at"]
    back = timedelta(days=hubbub.settings["days"])
    return (datetime.fromisoformat(hubbub.now).astimezone(UTC) - back).date().isoformat()


async def completed(hubbub, repository, begin):
    """The completed tasks, each with its labels and merged pull requests."""
    asked = {"repository": repository, "state": "completed", "detail": "full", "limit": 100}
    found = []
    for _ in range(MOST_PAGES):
        page = await hubbub.call("list_tasks", asked)
        for task in page["tasks"]:
            if task["updated_at"] >= begin:
                found.append(await hubbub.call("get_task", {"task": task["task"]}))
        if not page["next_cursor"]:
            break
        asked["cursor"] = page["next_cursor"]
    return found


def markdown(hubbub, done):
    headings = dict(each.split("=", 1) for each in hubbub.settings["groups"] if "=" in each)
    groups = {heading: [] for heading in [*headings.values(), OTHER]}
    for each in done:
        labels = {label.casefold() for label in each["around"]["labels"]}
        fits = (heading for label, heading in headings.items() if label.casefold() in labels)
        groups[next(fits, OTHER)].append(line(each))
    parts = [f"## {name}\n\n" + "\n".join(lines) + "\n" for name, lines in groups.items() if lines]
    return "\n".join(parts) or "No task was completed.\n"


def line(each):
    task = each["task"]
    merged = [
        pull["pull_request"]
        for pull in each["around"]["pull_requests"]
        if pull["state"] == "merged"
    ]
    return f"- {plain(task['title'])} ({', '.join([task['task'], *merged])})"


def plain(text):
    """Somebody else's words, so that they mention nobody and are no Markdown."""
    text = re.sub(r"([\\`*_\[\]<>|~])", r"\\\1", " ".join(text.split()))
    return text.replace("@", "@\u200b")


plugin = Plugin()
