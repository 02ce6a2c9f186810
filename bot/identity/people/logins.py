"""Who a person is: GitHub's id decides, because a login may change and be taken by somebody else.

Tasks and leases name people by their login. So Hubbub renames what a person holds when it sees
their new login, or sees somebody else with the old one. GitHub sends no event for it.
"""

from store.engine.transaction import Tx
from store.mirror import people
from store.tables.mirror import PersonRow
from store.tasks import holders


async def update_login(tx: Tx, installation_id: int, person_id: int, login: str) -> None:
    """Record the login that a person has now, and let them keep what they hold under an old one."""
    known = await people.get(tx, installation_id, person_id)
    if known is not None and known["login"] == login:
        return
    other = await people.with_login(tx, installation_id, login)
    if other is not None and other["id"] != person_id:
        await _rename(tx, other, _former(other))
    if known is not None:
        await _rename(tx, known, login)
    else:
        await people.put(tx, installation_id, person_id, login)


def _former(person: PersonRow) -> str:
    """The name of somebody whose login another person has now. No login contains a space."""
    return f"{person['login']} (id {person['id']})"


async def _rename(tx: Tx, person: PersonRow, login: str) -> None:
    i = person["installation_id"]
    await people.put(tx, i, person["id"], login)
    await holders.rename(tx, i, f"@{person['login']}", f"@{login}")
