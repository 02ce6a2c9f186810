"""Shows who owns the changed files of a task, and asks them for a review.

It runs in the sandbox. Rules come from the default branch: those of the pull request's own branch
would let its author choose who reviews it.
"""

import owners
from hubbub_plugin import card_lines, on_event, operation, run

PLACES = [".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"]
MOST_ON_CARD = 8


@operation
def find_owners(hubbub, task):
    found, by_file = look(hubbub, task)
    if by_file is None:
        raise ValueError("The file is being read from GitHub. Call again in a few seconds.")
    return {"task": found["task"]["task"], "owners": count(by_file), "files": by_file}


@card_lines
def on_card(task, hubbub):
    _, by_file = look(hubbub, task["task"])
    names = count(by_file or {})
    if not names:
        return []
    files = f"{len(by_file)} changed file" + ("s" if len(by_file) > 1 else "")
    return [f"{files} of {', '.join(list(names)[:MOST_ON_CARD])}"]


@on_event
def ask(event, hubbub):
    if not hubbub.settings["ask"]:
        return
    # CODEOWNERS may have to be read from GitHub first: then the next event tries it again.
    waiting = hubbub.get("waiting", default=[])
    for task in dict.fromkeys([*waiting, event["subject"]]):
        is_done = ask_owners(hubbub, task, event["actor"])
        hubbub.change("waiting", lambda tasks, t=task, d=is_done: listed(tasks, t, d), default=[])


def listed(tasks, task, is_done):
    others = [each for each in tasks if each != task]
    # Kept at most so long that an event has enough calls for all of them.
    return (others if is_done else [*others, task])[-5:] or None


def ask_owners(hubbub, task, actor):
    """Whether nothing is left to do."""
    found, by_file = look(hubbub, task)
    if by_file is None:
        return False
    pull = open_pull(found)
    author = actor.removeprefix("@").casefold()
    people = [each for each in count(by_file) if each.startswith("@")]
    people = [each.removeprefix("@") for each in people if each[1:].casefold() != author]
    if pull is None or not people:
        return True
    wanted = people[: int(hubbub.settings["most"])]
    given = {"pull_request": pull["pull_request"], "reviewers": wanted}
    # Once for each pull request, however often the event comes.
    try:
        hubbub.call("github_update_pr", {**given, "key": f"owners-{pull['pull_request']}"})
    except hubbub.Refused as exc:
        if exc.code != "key_reused":  # others were asked before
            hubbub.log("nobody was asked:", exc)
    return True


def look(hubbub, task):
    """The task, and the owners by changed file. None while GitHub is asked."""
    found = hubbub.call("get_task", {"task": task})
    pull = open_pull(found)
    if pull is None:
        return found, {}
    repository = found["task"]["repository"]
    given = {"repository": repository, "paths": PLACES, "max_tokens": 50_000, "wait_s": 2}
    read = hubbub.call("github_read_files", given)
    if read["pending"]:
        return found, None
    texts = {each["path"]: each["text"] for each in read["files"] if each.get("text")}
    text = next((texts[path] for path in PLACES if path in texts), "")
    rules = owners.parse(text)
    by_file = {path: owners.of(rules, path) for path in pull["files"]}
    return found, {path: names for path, names in by_file.items() if names}


def open_pull(found):
    pulls = [each for each in found["around"]["pull_requests"] if each["state"] == "open"]
    return pulls[-1] if pulls else None


def count(by_file):
    """How many files each owner has, the one with most of them first."""
    names = [name for each in by_file.values() for name in each]
    return {name: names.count(name) for name in sorted(set(names), key=lambda n: -names.count(n))}


run()
