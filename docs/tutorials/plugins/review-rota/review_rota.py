"""Asks for reviews in turn.

All that it remembers is one value, which is changed as a whole, so that two processes cannot give
the same turn twice.
"""

from functools import partial

import pluggy

hook = pluggy.HookimplMarker("hubbub")
AWAY = {"paused", "left"}
MOST_PULLS = 500
# How often somebody else is chosen because GitHub or Hubbub refuses one.
MOST_TRIES = 5


class Plugin:
    @hook
    def operations(self):
        return {"show_rota": show_rota, "set_away": set_away}

    @hook
    def strategies(self):
        return {"by_reviewer": by_reviewer}

    @hook
    async def on_event(self, event, hubbub):
        found = await hubbub.call("get_task", {"task": event["subject"]})
        pulls = found["around"]["pull_requests"]
        open_pulls = [each for each in pulls if each["state"] == "open" and not each["draft"]]
        if not open_pulls:
            return
        involved = {event["actor"], found["task"]["holder"], found["task"].get("last_holder")}
        skipped = await away(hubbub) | {name(each) for each in involved if each}
        await assign(hubbub, open_pulls[-1]["pull_request"], skipped)


async def assign(hubbub, pull, skipped):
    for _ in range(MOST_TRIES):
        chosen = partial(choose, hubbub, pull=pull, skipped=skipped)
        rota = await hubbub.change("rota", chosen, NEW)
        wanted = rota["pulls"].get(pull)
        if not wanted:
            return
        key = f"rota-{pull}-{'-'.join(wanted)}"
        given = {"pull_request": pull, "reviewers": [login(each) for each in wanted], "key": key}
        try:
            await hubbub.call("github_update_pr", given)
        except hubbub.Refused as exc:
            if exc.code not in ("own_work", "unknown_agent"):
                raise
            # Hubbub knows better who worked on it. The text begins with the name.
            skipped = skipped | {
                name(each) for each in wanted if exc.message.startswith(login(each))
            }
            await hubbub.change("rota", lambda rota: give_back(rota, pull), NEW)
        else:
            return


# For each reviewer the number of reviews; the reviewers by pull request; who is away.
NEW = {"counts": {}, "turn": [], "pulls": {}, "away": []}


def choose(hubbub, rota, pull, skipped):
    """The rota with reviewers for the pull request. The same as before if it has some."""
    if pull in rota["pulls"]:
        return rota
    counts = with_newcomers(hubbub, rota)
    turn = [each for each in rota["turn"] if each in counts]
    # The fewest reviews first, then who was asked the longest ago.
    order = sorted(counts, key=lambda n: (counts[n], turn.index(n) if n in turn else -1))
    free = [each for each in order if name(each) not in skipped]
    chosen = free[: int(hubbub.settings["each"])]
    for each in chosen:
        counts[each] += 1
    pulls = {**rota["pulls"], pull: chosen} if chosen else rota["pulls"]
    return {
        **rota,
        "counts": counts,
        "turn": [*(each for each in turn if each not in chosen), *chosen],
        "pulls": dict(list(pulls.items())[-MOST_PULLS:]),
    }


def with_newcomers(hubbub, rota):
    """The counts of the present reviewers. A newcomer has not to catch up with the others."""
    reviewers = list(dict.fromkeys(hubbub.settings["reviewers"]))
    known = [rota["counts"][each] for each in reviewers if each in rota["counts"]]
    fewest = min(known, default=0)
    return {each: rota["counts"].get(each, fewest) for each in reviewers}


def give_back(rota, pull):
    pulls = dict(rota["pulls"])
    chosen = pulls.pop(pull, [])
    counts = {n: count - (n in chosen) for n, count in rota["counts"].items()}
    return {**rota, "counts": counts, "pulls": pulls}


async def away(hubbub):
    """Who was set away, and agents that are paused or have left."""
    rota = await hubbub.get("rota", NEW)
    absent = AWAY | ({"inactive"} if hubbub.settings["skip_inactive"] else set())
    found, asked = {name(each) for each in rota["away"]}, {"limit": 100}
    wanted = {name(each) for each in hubbub.settings["reviewers"]}
    while True:
        page = await hubbub.call("list_agents", asked)
        for agent in page["agents"]:
            if agent["id"] in wanted and (agent["status"] in absent or agent.get("unreachable")):
                found.add(agent["id"])
        if not page["next_cursor"]:
            return found
        asked["cursor"] = page["next_cursor"]


async def show_rota(hubbub):
    rota, skipped = await hubbub.get("rota", NEW), await away(hubbub)
    counts = with_newcomers(hubbub, rota)
    following = choose(hubbub, {**rota, "pulls": {}}, "next", skipped)["pulls"].get("next", [])
    return {
        "next": following,
        "reviews": counts,
        "away": [each for each in counts if name(each) in skipped],
    }


async def set_away(hubbub, who, away=True):  # noqa: FBT002 - callers name their arguments
    if who not in hubbub.settings["reviewers"]:
        known = ", ".join(hubbub.settings["reviewers"])
        raise ValueError(f"{who!r} is not in the rota. There is {known}.")

    def with_absence(rota):
        others = [each for each in rota["away"] if each != who]
        return {**rota, "away": [*others, who] if away else others}

    rota = await hubbub.change("rota", with_absence, NEW)
    return {"away": rota["away"]}


async def by_reviewer(hubbub, task):
    rota, skipped = await hubbub.get("rota", NEW), await away(hubbub)
    counts = with_newcomers(hubbub, rota)
    free = sorted((n for n in counts if name(n) not in skipped), key=lambda n: counts[n])
    if not free:
        return "Nobody can review now: do not divide the task."
    return (
        f"Divide the task {task} into at most {len(free)} parts that can be reviewed alone. These "
        f"can review: {', '.join(free)}. Make the parts small: who has the fewest reviews, "
        f"{free[0]}, gets the first one. Name in each part what its reviewer has to look at."
    )


def login(reviewer):
    return reviewer.removeprefix("@")


def name(reviewer):
    return login(reviewer).casefold()


plugin = Plugin()
