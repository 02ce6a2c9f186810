"""Appends an event together with the notices that follow from it, in one transaction."""

from bot.kernel import notice_rules
from bot.kernel.notice_rules import COVERED_BY, REPLACES, Draft, Happening
from store import events
from store.engine import sequences
from store.engine.transaction import Tx
from store.messages import stored_notices
from store.messages.stored_notices import NewNotice


async def append(
    tx: Tx, installation_id: int, event: Happening, *, audience: str | None = None
) -> None:
    """Append the event, and add its notices. See `store.events.append`."""
    await events.append(
        tx,
        installation_id,
        event.kind,
        event.subject,
        event.actor,
        event.data,
        audience=audience,
        repository_id=event.repository_id,
    )
    for draft in notice_rules.drafts(event):
        await _add(tx, installation_id, event, draft)


async def _add(tx: Tx, installation_id: int, event: Happening, draft: Draft) -> None:
    here = (tx, installation_id, draft.agent_id)
    if COVERED_BY.get(draft.kind) in stored_notices.new_kinds(*here, event.subject):
        return
    if replaced := REPLACES.get(draft.kind):
        stored_notices.withdraw_new(*here, replaced, event.subject)
        await stored_notices.mark_seen(*here, replaced, event.subject, sequences.UNNUMBERED)
    notice: NewNotice = {
        "agent_id": draft.agent_id,
        "kind": draft.kind,
        "subject": event.subject,
        "message": draft.message,
        "repository_id": event.repository_id,
        "seen_at": None,
        "text_kind": event.text[0] if event.text else None,
        "text_id": event.text[1] if event.text else None,
    }
    await stored_notices.add(tx, installation_id, notice)
    await wake(tx, installation_id, draft.agent_id, event.actor)


async def renew_notices(tx: Tx, installation_id: int, event: Happening) -> None:
    """Word notices of the event again that their agents have not seen yet."""
    for draft in notice_rules.drafts(event):
        here = (tx, installation_id, draft.agent_id)
        if await stored_notices.has_unseen(*here, draft.kind, event.subject):
            await _add(tx, installation_id, event, draft)


async def wake(tx: Tx, installation_id: int, agent_id: str, actor: str) -> None:
    """Wake the agent's waiting calls, because there is something that it should know."""
    await events.append(
        tx, installation_id, "inbox.changed", agent_id, actor, {}, audience=agent_id
    )
