"""Makes the signed index of a registry from a folder of packages."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.plugins import package, signatures, versions
from bot.plugins.package import SUFFIX, Package, WrongPackage
from bot.plugins.registry import index
from bot.plugins.registry.index import INDEX, SIGNATURE, Index

# What its owner says beside the packages: the issues, the disclosure text, and what is revoked.
ABOUT, REVOKED = "registry.json", "revoked.txt"
DAY_S = 24 * 3600


class About(BaseModel):
    """`registry.json`. `issues`: by the plug-in's name. `urls`: of archives that are elsewhere."""

    model_config = ConfigDict(extra="forbid")

    issues: dict[str, int] = Field({}, max_length=index.MOST_PLUGINS)
    urls: dict[str, str] = {}
    disclosure: str = ""


def build(folder: Path, private: str, now_s: int, days: int) -> Index:
    """Write `index.json` and `index.sig` into the folder. Raise WrongPackage."""
    about, revoked = _about(folder), _revocations(folder)
    found = {
        "format": 1,
        "number": _number_before(folder) + 1,
        "issued_at": now_s,
        "expires_at": now_s + days * DAY_S,
        "disclosure": about.disclosure,
        "plugins": list(_plugins(folder, about, revoked)),
        "revoked": revoked,
    }
    content = json.dumps(found, indent=1, sort_keys=True).encode() + b"\n"
    made = index.parse(content)
    if len(content) > index.LARGEST:
        raise WrongPackage(f"The index has {len(content)} bytes; the limit is {index.LARGEST}.")
    (folder / SIGNATURE).write_bytes(index.sign(content, private))
    (folder / INDEX).write_bytes(content)
    return made


def _number_before(folder: Path) -> int:
    path = folder / INDEX
    return index.parse(path.read_bytes()).number if path.exists() else 0


def _about(folder: Path) -> About:
    path = folder / ABOUT
    try:
        return About.model_validate_json(path.read_bytes()) if path.exists() else About()
    except ValidationError as exc:
        raise WrongPackage(f"{ABOUT}: {exc.errors()[0]['msg']}.") from exc


def _revocations(folder: Path) -> dict[str, str]:
    path = folder / REVOKED
    return signatures.revocations(path.read_bytes()) if path.exists() else {}


def _plugins(folder: Path, about: About, revoked: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    by_name: dict[str, list[tuple[Path, Package]]] = {}
    for path in sorted(folder.rglob(f"*{SUFFIX}")):
        found = package.read(path)
        by_name.setdefault(found.manifest.name, []).append((path, found))
    for name, given in sorted(by_name.items()):
        given.sort(key=lambda each: versions.parse(each[1].manifest.version))
        newest = given[-1][1]
        keys = {signatures.key_of(found) for _, found in given}
        publishers = {found.manifest.publisher for _, found in given}
        if len(keys) > 1 or len(publishers) > 1:
            raise WrongPackage(_differing(name, given))
        yield {
            "name": name,
            "summary": newest.manifest.description,
            "publisher": newest.manifest.publisher,
            "key": keys.pop(),
            "issue": about.issues.get(name),
            "versions": [_version(folder, about, revoked, *each) for each in given],
        }


def _differing(name: str, given: Sequence[tuple[Path, Package]]) -> str:
    """Which files of a plug-in have which publishers and keys."""
    listed = "; ".join(
        f"{path.name} is by {found.manifest.publisher}, "
        f"with {signatures.key_of(found) or 'no signature'}"
        for path, found in given
    )
    return (
        f"All versions of {name} must have the same publisher and key: {listed}. Sign them again "
        "with the same --key, or remove some of them."
    )


def _version(
    folder: Path, about: About, revoked: Mapping[str, str], path: Path, found: Package
) -> dict[str, Any]:
    manifest, data = found.manifest, path.read_bytes()
    place = path.relative_to(folder).as_posix()
    version = signatures.subject_of(manifest.name, manifest.version)
    subjects = found.digest, version, signatures.key_of(found) or ""
    plain = signatures.revoked_by_subject(revoked)
    url = about.urls.get(place)
    return {
        "version": manifest.version,
        "archive": None if url else place,
        "url": url,
        "sha256": hashlib.sha256(data).hexdigest(),
        "digest": found.digest,
        "size": len(data),
        "hubbub": manifest.hubbub,
        "kind": manifest.kind,
        "permissions": manifest.permissions.model_dump(mode="json"),
        "revoked": next((plain[each] for each in subjects if each in plain), None),
    }
