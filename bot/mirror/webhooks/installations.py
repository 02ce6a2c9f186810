"""Installations of the App, their repositories, and changes of people's permissions."""

from bot.github import payloads
from bot.github.payloads import at
from bot.mirror import reads
from bot.mirror.changes import Changes, StalePermissions
from bot.mirror.rows import installation_rows
from bot.mirror.webhooks.event import Event, as_list, named_repositories

# After these actions the App sees more than before, or may have missed events.
SEES_MORE = ("created", "unsuspend", "new_permissions_accepted")


def installation(event: Event) -> Changes:
    row = installation_rows.installation(
        at(event.payload, "installation"), deleted=event.is_deletion
    )
    wanted = (reads.ALL_REPOSITORIES,) if event.action in SEES_MORE else ()
    return Changes((row, *named_repositories(event, "repositories")), wanted)


def installation_repositories(event: Event) -> Changes:
    removed = at(event.payload, "repositories_removed")
    added = named_repositories(event, "repositories_added")
    return Changes(
        (installation_rows.installation(at(event.payload, "installation")), *added),
        reads=(reads.ALL_REPOSITORIES,),
        selected=(
            *((row.row["id"], 1) for row in added),
            *((payloads.number(at(r, "id"), "repository.id"), 0) for r in as_list(removed)),
        ),
    )


def installation_target(event: Event) -> Changes:
    """The account was renamed, which renames all its repositories."""
    return Changes(reads=(reads.installation(event.installation_id), reads.ALL_REPOSITORIES))


def member(event: Event) -> Changes:
    login = payloads.text(at(event.payload, "member", "login"), 100) or None
    person_id = payloads.maybe_number(at(event.payload, "member", "id"))
    return Changes(stale_permissions=(StalePermissions(event.repository_id, login, person_id),))


def membership(event: Event) -> Changes:
    login = payloads.text(at(event.payload, "member", "login"), 100) or None
    return Changes(stale_permissions=(StalePermissions(login=login),))


def team(_: Event) -> Changes:
    return Changes(stale_permissions=(StalePermissions(),))


def organization(event: Event) -> Changes:
    login = payloads.text(at(event.payload, "membership", "user", "login"), 100) or None
    if event.action == "renamed":
        return installation_target(event)
    return Changes(stale_permissions=(StalePermissions(login=login),))


def github_app_authorization(event: Event) -> Changes:
    """A person takes back on GitHub that the App may know who they are."""
    person_id = payloads.maybe_number(at(event.payload, "sender", "id"))
    if event.action != "revoked" or person_id is None:
        return Changes()
    return Changes(people_who_left=(person_id,))


def ping(_: Event) -> Changes:
    return Changes()
