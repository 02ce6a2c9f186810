"""Keeps what happened on each day, and writes it down as Markdown.

It runs in the sandbox. It keeps the ids of tasks, never their titles: when somebody asks for a
digest, Hubbub is asked for each title again, so that nobody reads one that they may not see.
"""

import re

from hubbub_plugin import on_event, operation, run

DAY = re.compile(r"\d{4}-\d\d-\d\d")
HEADINGS = {
    "task.completed": "Completed",
    "task.failed": "Failed",
    "task.asked": "Questions",
    "task.held": "On hold",
    "task.claimed": "Begun",
}
# Of one day. A value may have 64 KiB, and a run of a plug-in a hundred calls.
MOST_ENTRIES, MOST_SHOWN = 500, 60


@on_event
def keep(event, hubbub):
    entry = {
        "id": event["id"],
        "kind": event["kind"],
        "task": event["subject"],
        "by": event["actor"],
    }

    def with_entry(entries):
        # An event can come twice.
        known = any(each["id"] == entry["id"] for each in entries)
        return entries if known else [*entries, entry][-MOST_ENTRIES:]

    today = event["at"][:10]
    is_first = not hubbub.get(f"day/{today}")
    hubbub.change(f"day/{today}", with_entry, default=[])
    if is_first:
        end_day(hubbub, today)


def end_day(hubbub, today):
    """On the first event of a day: publish the day before, and forget old ones."""
    days = [each for each in kept_days(hubbub) if each < today]
    if days:
        publish(hubbub, days[-1])
    for day in days[: -int(hubbub.settings["keep_days"])]:
        hubbub.change(f"day/{day}", lambda _: None)


def publish(hubbub, day):
    settings, key = hubbub.settings, f"digest-{day}"
    if not settings.get("send_to") and not settings.get("comment_on"):
        return
    text = digest(hubbub, day)
    if settings.get("send_to"):
        given = {"to": settings["send_to"], "body": text, "priority": "low", "key": key}
        hubbub.call("send_message", given)
    if settings.get("comment_on"):
        given = {"issue": settings["comment_on"], "body": text, "key": f"{key}-comment"}
        hubbub.call("github_comment_issue", given)


@operation
def get_digest(hubbub, day=""):
    days = kept_days(hubbub)
    if day and not DAY.fullmatch(day):
        raise ValueError("`day` must be written as in 2026-01-31.")
    chosen = day or (days[-1] if days else hubbub.now[:10])
    return {"day": chosen, "markdown": digest(hubbub, chosen), "days": days}


def kept_days(hubbub):
    names = hubbub.call("list_values", {"prefix": "day/"})["names"]
    return [each.partition("/")[2] for each in names]


def digest(hubbub, day):
    entries = hubbub.get(f"day/{day}", default=[])
    tasks = visible_tasks(hubbub, entries)
    parts = [f"# {day}"]
    for kind, heading in HEADINGS.items():
        found = [each for each in entries if each["kind"] == kind and each["task"] in tasks]
        lines = [f"- {tasks[each['task']]}, by {plain(each['by'])}" for each in found]
        # An agent may ask twice about one task.
        if lines:
            parts.append(f"## {heading}\n\n" + "\n".join(dict.fromkeys(lines)))
    waiting = hubbub.call("list_tasks", {"state": "blocked", "limit": 20})["tasks"]
    if waiting:
        lines = [f"- {named(each)} waits for {', '.join(each['blocked_by'])}" for each in waiting]
        parts.append("## Blocked now\n\n" + "\n".join(lines))
    return "\n\n".join(parts if len(parts) > 1 else [*parts, "Nothing happened."])


def visible_tasks(hubbub, entries):
    """The tasks that the caller may see, by id."""
    found = {}
    for task in list(dict.fromkeys(each["task"] for each in entries))[-MOST_SHOWN:]:
        try:
            found[task] = named(hubbub.call("get_task", {"task": task})["task"])
        except hubbub.Refused:
            continue
    return found


def named(task):
    return f"{task['task']}: {plain(task['title'])}"


def plain(text):
    """Somebody else's words, so that they mention nobody and are no Markdown."""
    text = re.sub(r"([\\`*_\[\]<>|~])", r"\\\1", " ".join(text.split())[:100])
    return text.replace("@", "@\u200b")


run()
