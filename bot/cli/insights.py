"""`hubbub insights`: what to change, from what was recorded."""

import json
from functools import partial

from bot.cli import installations
from bot.cli.output import say
from bot.cli.session import open_session
from bot.insights import report
from bot.insights.findings import Finding, Scope
from bot.settings import Settings, WrongSettings
from bot.times import SECOND, seconds, stamp
from store.engine.transaction import Tx
from store.mirror import stored_installations

MOST_INSTALLATIONS = 100
LONGEST_S = 90 * 86_400


async def show(loaded: Settings, installation: str | None, since: str, *, as_json: bool) -> None:
    """Show the findings of one installation or of all. Raise WrongSettings."""
    back = _seconds(since)
    async with open_session(loaded) as session:
        found = await session.store.read(lambda tx: _installations(tx, installation))
        for here in found[:MOST_INSTALLATIONS]:
            scope, findings = await session.store.read(
                partial(_report, installation_id=here, back_s=back)
            )
            if as_json:
                _show_as_json(scope, findings)
            else:
                _show(scope, findings)


def _seconds(since: str) -> int:
    try:
        return min(seconds(since), LONGEST_S)
    except ValueError as exc:
        raise WrongSettings(f"--since: {exc}") from exc


async def _installations(tx: Tx, named: str | None) -> list[int]:
    if named is not None:
        return [await installations.find(tx, named)]
    return await stored_installations.present_installations(tx)


async def _report(tx: Tx, installation_id: int, back_s: int) -> tuple[Scope, list[Finding]]:
    now = await tx.now()
    row = await stored_installations.installation(tx, installation_id)
    account = row["account"] if row else str(installation_id)
    scope = Scope(tx, installation_id, account, now - back_s * SECOND, now)
    return scope, await report.findings(scope)


def _show_as_json(scope: Scope, findings: list[Finding]) -> None:
    for each in findings:
        say(json.dumps({"installation": scope.account, **each.model_dump()}))


def _show(scope: Scope, findings: list[Finding]) -> None:
    say(f"{scope.account}, since {stamp(scope.since)}: {len(findings) or 'no'} findings")
    for each in findings:
        say(f"\n{each.finding}")
        for line in each.evidence:
            say(f"  {line}")
        if each.look_at:
            say(f"  Look at: {', '.join(each.look_at)}")
        say(f"  Change: {each.change}")
