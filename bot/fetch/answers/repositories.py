"""Apply answers about installations, repositories, branches and permissions."""

from bot.fetch.answers.answer import Reading, put, twice_lacking, valid_rows
from bot.github import payloads
from bot.github.payloads import Mirrored, at
from bot.identity.keyring import Keys
from bot.mirror import reads
from bot.mirror.rows import installation_rows
from store.engine.transaction import Tx
from store.fetch import backfills
from store.inbox import commands
from store.mirror import branches, permissions, stored_repositories

BRANCH = "refs/heads/"
ROLES = ("admin", "maintain", "write", "triage", "read")


def installation(r: Reading) -> list[Mirrored]:
    return [installation_rows.installation(r.data, read_at=r.read_at)]


def repository(r: Reading) -> list[Mirrored]:
    return [installation_rows.repository(r.installation_id, r.data, read_at=r.read_at)]


async def apply_installation_repositories(tx: Tx, keys: Keys, r: Reading) -> None:
    found = valid_rows(
        r, lambda each: installation_rows.repository(r.installation_id, each, read_at=r.read_at)
    )
    await put(tx, keys, r, found)
    if not r.is_complete(found):
        return
    there = {each.row["id"] for each in found}
    known = await stored_repositories.repository_ids(tx, r.installation_id)
    for repository_id in [each for each in known if each in there]:
        await stored_repositories.select_repository(tx, r.installation_id, repository_id, 1)
    lacking = set(await stored_repositories.selected_repository_ids(tx, r.installation_id)) - there
    for repository_id in sorted(await twice_lacking(tx, r, reads.ALL_REPOSITORIES, lacking)):
        await stored_repositories.select_repository(tx, r.installation_id, repository_id, 0)
        await backfills.forget(tx, r.installation_id, repository_id)


async def apply_ref(tx: Tx, _: Keys, r: Reading) -> None:
    sha = payloads.name(at(r.data, "object", "sha"), "the branch's commit", 64)
    await branches.put_answer(tx, *r.here, r.arguments["name"], sha)


async def apply_refs(tx: Tx, _: Keys, r: Reading) -> None:
    heads = {
        name.removeprefix(BRANCH)[:255]: sha
        for each in r.entries
        if (name := payloads.text(at(each, "ref"))).startswith(BRANCH)
        and (sha := payloads.text(at(each, "object", "sha"), 64))
    }
    for name, sha in heads.items():
        await branches.put_answer(tx, *r.here, name, sha)
    if not r.is_complete(heads):
        return
    lacking = await branches.names(tx, *r.here) - heads.keys()
    for name in await twice_lacking(tx, r, reads.repository("refs", r.here[1]), lacking):
        await branches.put_answer(tx, *r.here, name, None)


async def apply_permission(tx: Tx, _: Keys, r: Reading) -> None:
    # Only `role_name` distinguishes triage from read, and maintain from write. For a custom role
    # `permission` has the role that it is based on.
    role = payloads.text(at(r.data, "role_name"), 40)
    held = role if role in ROLES else payloads.name(at(r.data, "permission"), "permission", 40)
    # The login may belong to another person by now than to the one who asks.
    person_id = payloads.maybe_number(at(r.data, "user", "id")) or r.arguments.get("person_id", 0)
    await permissions.put(tx, *r.here, r.arguments["login"], held, person_id)
    await commands.wake(tx, *r.here)
