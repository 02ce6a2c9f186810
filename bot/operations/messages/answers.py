"""An agent answers a person who asked it by `/ask`: with one comment where the person asked."""

from bot.comments import replies
from bot.errors import Refused
from bot.kernel.operation import Context
from bot.operations.github.comment_limits import admit_comment
from bot.operations.github.targets import on_issue
from bot.operations.github.writing import Queued, queue
from bot.operations.messages import access
from bot.repository import narrowing
from store.messages import messages
from store.mirror import stored_repositories
from store.outbox import queued_replies, writes
from store.tables.messages import MessageRow
from store.tables.mirror import RepositoryRow

COMMENT = "github_comment_issue"
# An answer does not grow beyond this. More of it is a comment of its own.
LONGEST = 20_000


def place_of_question(ctx: Context) -> str | None:
    """Where an answer to this message belongs: the issue or pull request of the command."""
    if not ctx.actor.is_person or ctx.commented_on is None:
        return None
    repository_id, number = ctx.commented_on
    return f"{repository_id}#{number}"


async def question_of(ctx: Context, to: str, reply_to: str | None) -> MessageRow:
    """The question of this person that the message answers. Raise Refused."""
    answered = await messages.get(ctx.tx, ctx.installation_id, reply_to) if reply_to else None
    thread_id = answered["thread_id"] if answered else reply_to or ""
    may = await access.is_participant(ctx, thread_id)
    first = await messages.get(ctx.tx, ctx.installation_id, thread_id) if answered else None
    asked = first is not None and first["sender"].casefold() == to.casefold()
    if first is None or not may or not asked or not first["asked_in"]:
        raise Refused(
            "unknown_message",
            f"{to} has not asked you that. Pass `reply_to` with the id of the message in which "
            f"{to} asked you; to write to a person unasked, call {COMMENT}.",
        )
    return first


async def post(ctx: Context, question: MessageRow, text: str) -> Queued:
    """Queue the comment; a further answer to the same question is added to it. Raise Refused."""
    where, number = await _place(ctx, question["asked_in"] or "")
    await admit_comment(ctx, where, number)
    target, source = on_issue(where, number), f"question {question['id']}"
    here = (ctx.tx, ctx.installation_id)
    found = await queued_replies.newest(*here, target, ctx.actor.name)
    earlier = queued_replies.to_source(found, source)
    before = earlier[0]["arguments"]["body"] if earlier else ""
    if len(before) + len(text) > LONGEST:
        before, source = "", f"{source} {ctx.now}"
    waiting = [each for each in earlier if each["state"] == "queued" and before]
    await writes.supersede_these(*here, waiting)
    arguments = {
        "number": number,
        "body": f"{before}\n\n{text}" if before else text,
        "answers": source,
        "verb": "ask",
        "asker": question["sender"],
        "asked": replies.first_words(question["body"]),
    }
    return await queue(ctx, "reply", where, target, arguments)


async def _place(ctx: Context, asked_in: str) -> tuple[RepositoryRow, int]:
    """Raise Refused if the agent may not comment there."""
    repository_id, _, number = asked_in.partition("#")
    where = await stored_repositories.repository_by_id(
        ctx.tx, ctx.installation_id, int(repository_id)
    )
    reach = ctx.actor.known_repositories
    if where is None or not (reach is None or where["id"] in reach):
        raise Refused("unknown_repository", "You can no longer see where the person asked.")
    if refused := await narrowing.refusal_in(ctx, COMMENT, where["id"], where["full_name"]):
        raise refused
    return where, int(number)
