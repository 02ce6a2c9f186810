"""Finds checks that fail and then pass on the same commit."""

import hashlib

import pluggy

hook = pluggy.HookimplMarker("hubbub")
FAILED = {"failure", "timed_out"}
# Of a repository: commits whose failed checks are remembered, and checks that are known as flaky.
MOST_HEADS, MOST_CHECKS, MOST_SHAS = 200, 200, 20


class Plugin:
    @hook
    def operations(self):
        return {"list_flaky": list_flaky}

    @hook
    async def on_event(self, event, hubbub):
        data = event["data"]
        if data["check"] in hubbub.settings["ignore"]:
            return
        task = (await hubbub.call("get_task", {"task": event["subject"]}))["task"]
        repository = task["repository"]
        if data["conclusion"] in FAILED:
            await remember_failure(hubbub, repository, data)
        elif data["conclusion"] == "success" and await has_failed(hubbub, repository, data):
            found = await count(hubbub, repository, data, task["id"])
            if len(found["shas"]) >= hubbub.settings["threshold"] and not found["opened"]:
                await open_task(hubbub, repository, data["check"], found)

    @hook
    async def card_lines(self, task, hubbub):
        repository = task["task"].partition("#")[0]
        checks = await hubbub.get(key("flaky", repository), default={})
        return [
            f"{name} is flaky: it failed and then passed on {commits(each)}"
            for name, each in checks.items()
            if task["id"] in each["tasks"]
        ]


async def list_flaky(hubbub, repository):
    # A caller who may not see the repository is refused here.
    await hubbub.call("list_tasks", {"repository": repository, "limit": 1})
    checks = await hubbub.get(key("flaky", repository), default={})
    found = [
        {
            "check": name,
            "commits": len(each["shas"]),
            "newest": each["shas"][-1],
            "task": each["opened"],
        }
        for name, each in checks.items()
    ]
    return {"checks": sorted(found, key=lambda each: (-each["commits"], each["check"]))}


async def remember_failure(hubbub, repository, data):
    def with_failure(heads):
        heads.setdefault(data["sha"], [])
        heads[data["sha"]] = sorted({*heads[data["sha"]], data["check"]})
        return dict(list(heads.items())[-MOST_HEADS:])

    await hubbub.change(key("failed", repository), with_failure, default={})


async def has_failed(hubbub, repository, data):
    heads = await hubbub.get(key("failed", repository), default={})
    return data["check"] in heads.get(data["sha"], [])


async def count(hubbub, repository, data, task):
    """Count the commit once, also if the event comes again."""

    def with_commit(checks):
        found = checks.pop(data["check"], {"shas": [], "tasks": [], "opened": None})
        for name, value in (("shas", data["sha"]), ("tasks", task)):
            others = [each for each in found[name] if each != value]
            found[name] = [*others, value][-MOST_SHAS:]
        return dict(list({**checks, data["check"]: found}.items())[-MOST_CHECKS:])

    checks = await hubbub.change(key("flaky", repository), with_commit, default={})
    return checks[data["check"]]


async def open_task(hubbub, repository, check, found):
    shas = "\n".join(f"- {each}" for each in found["shas"])
    made = await hubbub.call(
        "create_task",
        {
            "repository": repository,
            "title": f"Flaky check: {check[:150]}",
            "body": f"The check `{check}` failed and then passed on the same commit, without a "
            f"change:\n\n{shas}\n\nFind out what it depends on.",
            "duplicate_ok": True,
            # If this process dies before it keeps the task, the event comes again.
            "key": key("task", f"{repository} {check}"),
        },
    )

    def with_task(checks):
        checks[check]["opened"] = made["task"]["id"]
        return checks

    await hubbub.change(key("flaky", repository), with_task)


def commits(found):
    n = len(found["shas"])
    return "1 commit" if n == 1 else f"{n} commits"


def key(what, about):
    """Names of values are short and ASCII, which names of checks are not."""
    return f"{what}/{hashlib.sha256(about.lower().encode()).hexdigest()[:32]}"


plugin = Plugin()
