"""`hubbub plugin`: what operators do with plug-ins, and their authors."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.cli import installations, local_origin
from bot.cli.output import say, warn
from bot.cli.session import Session, open_session
from bot.cli.tables import show_rows
from bot.dispatch.callers import Caller
from bot.dispatch.dispatcher import Dispatcher
from bot.errors import Refused
from bot.identity.actors import OPERATOR, Actor
from bot.operations import OPERATIONS
from bot.plugins import (
    compatibility,
    distributions,
    installing,
    package,
    plugin_code,
    reference_page,
    revoking,
    scan_process,
    scanning,
    signatures,
)
from bot.plugins.installed import Installed
from bot.plugins.installing import Candidate
from bot.plugins.manifest import SEPARATOR, Kind, Manifest
from bot.plugins.package import Package, WrongPackage
from bot.settings import Settings, WrongSettings
from store.audit.records import NO_INSTALLATION
from store.engine.transaction import Tx
from store.plugins import plugins, registries

COLUMNS = ("name", "version", "kind", "publisher", "signed", "state", "why")
CODE: dict[Kind, str] = {
    "python": "trusted; it runs inside the server, and may do whatever the server may",
    "wasm": "in the sandbox (wasm)",
    "process": "in the sandbox (process)",
    "mcp": "none here; it calls tools of the MCP server {}",
    "probot": "none here; deliveries of GitHub are forwarded, as a rule to {}",
}
# How soon every server knows: it looks at each call, and its loop this often.
KNOWN_WITHIN_S = 2


@contextmanager
def wrong_settings() -> Iterator[None]:
    """What is wrong with a package ends a command as wrong settings do."""
    try:
        yield
    except WrongPackage as exc:
        raise WrongSettings(str(exc)) from exc
    except Refused as exc:
        raise WrongSettings(exc.message) from exc


# --- Packages ------------------------------------------------------------------------------------


async def check(path: Path) -> int:
    """Check the manifest, whether it fits this Hubbub, and whether the code can be loaded."""
    with wrong_settings():
        found = package.read(path)
        manifest = found.manifest
        wrong = _of_this_hubbub(manifest)
        if not wrong:
            await plugin_code.try_package(found)
    for each in wrong:
        say(each)
    if not wrong:
        say(f"{manifest.name} {manifest.version}: valid, {_counts(manifest)}")
    return int(bool(wrong))


def _of_this_hubbub(manifest: Manifest) -> list[str]:
    """Without the plug-ins that it needs, which its author may not have installed."""
    alone = manifest.model_copy(update={"needs": {}})
    unknown = [
        f"permissions.operations names {each}, which is no operation of Hubbub."
        for each in manifest.permissions.operations
        if SEPARATOR not in each and each not in OPERATIONS
    ]
    return [*compatibility.problems(alone, {}), *unknown]


def _counts(manifest: Manifest) -> str:
    adds = manifest.adds
    parts = {
        "operations": len(adds.operations),
        "kinds of events": len(adds.events),
        "lines of cards": int(adds.card_lines),
        "strategies": len(adds.strategies),
        "protocols": len(adds.protocols),
        "panels": len(adds.panels),
        "handlers": len(adds.handlers),
        "kinds of deliveries": len(adds.deliveries),
    }
    return ", ".join(f"{name}: {n}" for name, n in parts.items() if n)


async def scan(path: Path, advisories: Path | None, *, as_json: bool) -> int:
    """Print the report. Return 1 if something is dangerous."""
    with wrong_settings():
        known = scanning.advisories(advisories) if advisories else []
        report = await scan_process.scan(package.read(path), known)
    if as_json:
        say(json.dumps(report.as_json()))
    for each in () if as_json else scanning.lines(report):
        say(each)
    return int(any(each.severity == "danger" for each in report.findings))


def sign(path: Path, key_file: Path, output: Path | None) -> None:
    """Write the package with its signature. A new key is made if the file does not exist."""
    with wrong_settings():
        private = private_key(key_file)
        signed = signatures.sign(package.read(path), private)
        target = _target(output, signed.name)
        _write(target, package.pack(signed))
        publisher, key = signed.manifest.publisher, signatures.public_key(private)
    say(f"{target}: signed, digest {signed.digest}")
    say(f"Others trust it after: hubbub plugin trust {publisher} {key}")


def _target(output: Path | None, name: str) -> Path:
    """The file of a package. `output` may be a folder."""
    if output is None:
        return Path(name)
    return output / name if output.is_dir() else output


def _write(target: Path, data: bytes) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    except OSError as exc:
        raise WrongSettings(f"Cannot write {target}: {exc.strerror or exc}.") from exc


def private_key(path: Path) -> str:
    if path.exists():
        return path.read_text()
    made = signatures.new_key()
    path.touch(mode=0o600)
    path.write_text(made + "\n")
    say(f"{path}: a new key. Keep it secret, and keep a copy.")
    return made


def write_docs(path: Path) -> None:
    with wrong_settings():
        say(reference_page.page(package.read(path).manifest).rstrip("\n"))


# --- Trust ---------------------------------------------------------------------------------------


async def trust(loaded: Settings, publisher: str, key: str, *, remove: bool) -> None:
    if not signatures.is_public_key(key):
        raise WrongSettings(f"{key!r} is no public key of `hubbub plugin sign`.")

    async def work(tx: Tx) -> None:
        owner = await _owner(tx, key)
        if owner is not None and owner != publisher:
            raise WrongSettings(
                f"The key is trusted for {owner}. A key belongs to one publisher: "
                f"`hubbub plugin trust {owner} {key} --remove` first."
            )
        if remove and owner is None:
            raise WrongSettings(f"The key is not trusted for {publisher}. Nothing was changed.")
        if remove:
            await plugins.remove_trust(tx, "publisher", key)
        else:
            await plugins.put_trust(tx, "publisher", key, publisher)
        command = "plugin distrust" if remove else "plugin trust"
        await local_origin.record(tx, NO_INSTALLATION, command, publisher, key=key)

    async with open_session(loaded) as session:
        await session.store.write(work)
    say(f"The key {'is not trusted any more' if remove else 'is trusted'} for {publisher}.")


async def _owner(tx: Tx, key: str) -> str | None:
    """The publisher for whom the key is trusted."""
    rows = await plugins.trust_rows(tx)
    found = (each for each in rows if each["kind"] == "publisher" and each["subject"] == key)
    return next((each["detail"] for each in found), None)


async def revoke(loaded: Settings, data: bytes) -> None:
    """Read a list of what is revoked, and stop the plug-ins that are on it."""
    with wrong_settings():
        found = signatures.revocations(data)

    async def work(tx: Tx) -> list[str]:
        for subject, reason in found.items():
            await plugins.put_trust(tx, "revoked", subject, reason)
        await local_origin.record(tx, NO_INSTALLATION, "plugin revoke", str(len(found)))
        return await revoking.stop_revoked(tx)

    async with open_session(loaded) as session:
        stopped = await session.store.write(work)
    say(f"{len(found)} entries are revoked.")
    for name in stopped:
        say(f"{name} was installed and is stopped.")


# --- Installed plug-ins --------------------------------------------------------------------------


@dataclass(frozen=True)
class Wanted:
    """What the options of `plugin install` and `plugin update` say."""

    what: str
    unsigned: bool = False
    agrees: bool = False
    update: bool = False
    advisories: Path | None = None
    registry: str | None = None
    downgrade: bool = False

    @property
    def terms(self) -> dict[str, bool]:
        """What `installing.install` has to know."""
        return {
            "unsigned": self.unsigned,
            "update": self.update,
            "downgrade": self.downgrade,
        }


async def _candidate(session: Session, wanted: Wanted) -> Candidate:
    """What a path, a distribution or a registry has. Raise WrongPackage."""
    from bot.cli import plugin_registries  # noqa: PLC0415 - it imports this module

    if wanted.registry is None:
        has_registry = bool(await session.store.read(registries.all_of))
        if found := _local_candidate(wanted.what, must=not has_registry):
            return found
    return await plugin_registries.candidate(session, wanted.what, wanted.registry)


def _local_candidate(what: str, *, must: bool) -> Candidate | None:
    """Raise WrongPackage."""
    if Path(what).exists():
        if not must and Path(what).is_dir():
            say(f"Read from the folder {what}. --from takes it from a registry.")
        return installing.of_package(package.read(Path(what)))
    if must or ("@" not in what and distributions.distribution(what)):
        return installing.of_distribution(what)
    return None


async def install(loaded: Settings, wanted: Wanted) -> None:
    """Show what the plug-in may do and what the scan found, ask, and install it."""
    with wrong_settings():
        known = scanning.advisories(wanted.advisories) if wanted.advisories else []
        async with open_session(loaded) as session:
            candidate = await _candidate(session, wanted)
            store, options = session.store, wanted.terms
            key = await store.read(lambda tx: installing.check(tx, candidate, **options))
            for each in summary(candidate, key):
                say(each)
            report = await scan_process.scan(candidate.package, known)
            for each in scanning.lines(report):
                say(each)
            if not wanted.agrees and not _agrees():
                raise WrongSettings("Nothing was installed.")
            # A version that cannot be loaded does not replace one that works.
            await _try_out(candidate)
            by = local_origin.of().remote
            row = await installing.install(store, candidate, by, **options)
            await store.write(lambda tx: _record(tx, row["name"], row["version"], wanted.update))
    done = "updated to" if wanted.update else "installed as"
    say(f"{row['name']} is {done} {row['version']}, on every server within {KNOWN_WITHIN_S} s.")
    if not wanted.update:
        say(f"Turn it on: hubbub plugin enable {row['name']} --installation ACCOUNT")


def summary(candidate: Candidate, key: str | None) -> list[str]:
    """What a person has to know before it is installed."""
    manifest = candidate.manifest
    may, vouch = manifest.permissions, candidate.vouch
    signed = f"with the key {key}" if key else "no"
    if vouch is not None:
        signed += f", named by the registry {vouch.registry}"
    return [
        f"{manifest.name} {manifest.version} by {manifest.publisher}: {manifest.description}",
        f"signed: {signed}",
        f"code: {CODE[manifest.kind].format(manifest.entry)}",
        f"adds: {_counts(manifest)}",
        f"role: {may.role}",
        f"may call: {', '.join(may.operations) or 'nothing'}",
        f"may reach: {', '.join(may.hosts) or 'no host'}",
        f"needs: {', '.join(f'{n} {r}' for n, r in manifest.needs.items()) or 'no plug-in'}",
    ]


def _agrees() -> bool:
    if not sys.stdin.isatty():
        raise WrongSettings("Pass --yes to install it without a question.")
    say("Install it? [y/N]")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


async def _try_out(candidate: Candidate) -> None:
    """Load it here. Raise WrongPackage."""
    if candidate.source == "package":
        await plugin_code.try_package(candidate.package)
        return
    name, digest = candidate.manifest.name, candidate.digest
    await plugin_code.load_distribution(candidate.manifest, name, digest)


async def _record(tx: Tx, name: str, version: str, update: Any) -> None:
    command = "plugin update" if update else "plugin install"
    await local_origin.record(tx, NO_INSTALLATION, command, name, version=version)


async def roll_back(loaded: Settings, name: str) -> None:
    with wrong_settings():
        async with open_session(loaded) as session:
            row = await installing.roll_back(session.store, name)
            await session.store.write(
                lambda tx: local_origin.record(
                    tx, NO_INSTALLATION, "plugin update", name, version=row["version"]
                )
            )
    say(f"{name} is {row['version']} again, on every server within {KNOWN_WITHIN_S} s.")


async def remove(loaded: Settings, name: str) -> None:
    with wrong_settings():
        async with open_session(loaded) as session:
            await installing.remove(session.store, name)
            await session.store.write(
                lambda tx: local_origin.record(tx, NO_INSTALLATION, "plugin remove", name)
            )
    say(f"{name} is removed, with its settings in all installations.")


async def list_plugins(loaded: Settings, *, as_json: bool) -> None:
    async with open_session(loaded) as session:
        rows = [Installed.of(row).row for row in await session.store.read(plugins.all_of)]
    shown = [
        {
            "name": row["name"],
            "version": row["version"],
            "kind": row["manifest"].get("kind"),
            "publisher": row["manifest"].get("publisher"),
            "signed": "yes" if row["signed_by"] else "no",
            "state": row["state"],
            "why": row["why"],
        }
        for row in rows
    ]
    show_rows(shown, COLUMNS, as_json=as_json, whole=("name", "state"))


async def turn(
    loaded: Settings,
    name: str,
    installation: str,
    action: str,
    role: str | None = None,
    words: Sequence[str] = (),
) -> None:
    """Turn it on or off for an installation."""
    with wrong_settings():
        async with open_session(loaded) as session:
            i = await session.store.read(lambda tx: installations.find(tx, installation))
            given: dict[str, Any] = {"plugin": name, "action": action}
            given |= {"role": role} if role else {}
            given |= {"settings": _settings(words)} if words else {}
            dispatcher = Dispatcher(session.store, session.shared)
            actor, caller = Actor(i, OPERATOR, "tech-lead"), Caller(origin=local_origin.of())
            answer = await dispatcher.call(actor, "manage_plugin", given, None, caller)
    state = answer["plugin"]["state"]
    say(f"{name} is {state} for {installation}.")
    if missing := _without_value(answer):
        warn(f"Settings without a value: {', '.join(missing)}.")


def _settings(words: Sequence[str]) -> dict[str, Any]:
    found = {}
    for word in words:
        key, sign, value = word.partition("=")
        if not sign:
            raise WrongSettings(f"{word!r} has no value. Write NAME=VALUE.")
        try:
            found[key] = json.loads(value)
        except ValueError:
            found[key] = value
    return found


def _without_value(answer: dict[str, Any]) -> list[str]:
    have = set(answer["set_here"])
    return [
        name
        for name, each in answer["settings"].items()
        if name not in have and each["default"] is None
    ]


def package_of(path: Path) -> Package:
    with wrong_settings():
        return package.read(path)
