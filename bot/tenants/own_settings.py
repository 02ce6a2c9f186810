"""What the operator sets for one account: quotas, caps on spend, its name and its colour."""

from collections.abc import Mapping
from dataclasses import replace

from bot.kernel.operation import Shared
from bot.quotas.money import NAMES, Caps, parse_caps
from bot.quotas.table import OF_INSTALLATION, Quota, parse_changes
from bot.tenants.look import Look, check_color, check_name
from store.engine.transaction import Store, Tx
from store.tables.tenants import TenantRow
from store.tenants import own_settings

NOBODY: TenantRow = {
    "installation_id": 0,
    "quotas": {},
    "caps": "",
    "name": "",
    "color": "",
    "changed_at": 0,
    "changed_by": "",
}


async def look_of(tx: Tx, installation_id: int) -> Look:
    row = await own_settings.of(tx, installation_id)
    return Look(row["name"] or Look.name, row["color"]) if row else Look()


async def refresh(store: Store, shared: Shared) -> None:
    """Let this process know what is set. A loop does it every few seconds."""
    rows = await store.read(own_settings.rows)
    defaults = shared.rates.of(0)
    shared.rates.set_own(
        {row["installation_id"]: quotas_of(row, defaults) for row in rows if row["quotas"]}
    )
    shared.own_caps.clear()
    shared.own_caps.update(
        {row["installation_id"]: caps_of(row, shared.caps) for row in rows if row["caps"]}
    )


def quotas_of(row: TenantRow, defaults: Mapping[str, Quota]) -> dict[str, Quota]:
    """Only those that differ. A quota that this version does not know is left out."""
    return {
        name: replace(defaults[name], agent=agent, installation=installation)
        for name, (agent, installation) in row["quotas"].items()
        if name in defaults
    }


def caps_of(row: TenantRow, defaults: Caps) -> Caps:
    own = parse_caps(row["caps"], defaults.currency)
    return Caps(
        defaults.currency,
        task=defaults.task if own.task is None else own.task,
        agent=defaults.agent if own.agent is None else own.agent,
        installation=defaults.installation if own.installation is None else own.installation,
    )


def with_change(row: TenantRow, text: str, defaults: Mapping[str, Quota]) -> TenantRow:
    """The row after one `name=value`. Raise ValueError, which says what is wrong.

    An empty value takes back what was set.
    """
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals:
        raise ValueError(f"write {text[:60]!r} as name=value")
    if name == "name":
        return {**row, "name": check_name(value)}
    if name == "color":
        return {**row, "color": check_color(value)}
    if "," in value:
        raise ValueError(f"write one value in {text[:60]!r}, and others as arguments of their own")
    if name.startswith("spend."):
        return {**row, "caps": _with_cap(row["caps"], name.removeprefix("spend."), value)}
    if name not in defaults:
        others = "name, color, spend.task, spend.agent, spend.installation"
        raise ValueError(f"{name[:60]!r} is none of {others}, {', '.join(defaults)}")
    quotas = {key: each for key, each in row["quotas"].items() if key != name}
    if value:
        before = {**defaults, **quotas_of(row, defaults)}
        try:
            new = parse_changes(f"{name}={value}", before)[name]
        except ValueError as exc:
            raise ValueError(f"what you pass {exc}") from exc
        quotas[name] = [new.agent, new.installation]
    return {**row, "quotas": quotas}


def changes_of(row: TenantRow) -> list[str]:
    """The changes that make this row, as a person writes them."""
    quotas = [f"{name}={_quota(name, *each)}" for name, each in sorted(row["quotas"].items())]
    caps = [f"spend.{each}" for each in row["caps"].split(", ") if each]
    shown = {"name": row["name"], "color": row["color"]}
    return [*quotas, *caps, *(f"{name}={value}" for name, value in shown.items() if value)]


def _quota(name: str, agent: int | None, installation: int | None) -> str:
    if name in OF_INSTALLATION:
        return str(installation)
    return f"{'' if agent is None else agent}{'' if installation is None else f'/{installation}'}"


def _with_cap(caps: str, name: str, value: str) -> str:
    if name not in NAMES:
        raise ValueError(f"{name[:60]!r} is no cap on spend; the caps are {', '.join(NAMES)}")
    kept = [each for each in caps.split(", ") if each and each.partition("=")[0] != name]
    text = ", ".join([*kept, f"{name}={value}"] if value else kept)
    parse_caps(text)
    return text
