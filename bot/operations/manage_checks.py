"""What the operations check by which people manage servers, plug-ins, trackers and addresses."""

from bot.errors import Refused
from bot.identity import permissions
from bot.kernel.operation import Context


def check_leads_all(ctx: Context, what: str) -> None:
    """Raise Refused unless the caller leads all repositories. `what`: `see and change …`."""
    if not permissions.allows_everywhere(ctx.actor, ctx.operation):
        raise Refused(
            "forbidden",
            "Only a person who administers or maintains every repository of the installation may "
            f"{what}.",
            **permissions.missing(ctx.actor, ctx.operation),
        )


def check_unused(action: str, **arguments: object) -> None:
    """Raise Refused for an argument that the action would ignore."""
    for name, value in arguments.items():
        if value is not None:
            raise Refused("invalid_arguments", f"`{name}` is not for {action}: leave it out.")
