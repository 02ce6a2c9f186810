"""The index of a registry, `index.json`: its plug-ins, what is revoked, and who signed it."""

import json
from typing import Annotated, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from bot.kernel import argument_errors
from bot.kernel.patterns import Shape
from bot.plugins import signatures, versions
from bot.plugins.manifest import Kind, Line, Permissions, PluginName, Publisher, Range, Version
from bot.plugins.package import LARGEST_ARCHIVE, WrongPackage
from bot.times import SECOND

INDEX, SIGNATURE = "index.json", "index.sig"
# Before what is signed, so that no signature made for something else counts.
CONTEXT = b"hubbub-plugin-index 1\0"
LARGEST = 1024**2
MOST_PLUGINS, MOST_VERSIONS, MOST_REVOKED = 500, 50, 1_000
# How far ahead the clock of who signs may be, in microseconds.
AHEAD = 3600 * SECOND


def _is_inside(path: str) -> str:
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise ValueError("leads outside of the registry")
    return path


Sha256: TypeAlias = Annotated[str, Shape(r"^[0-9a-f]{64}$", "must be a SHA-256 in hexadecimal")]
# A path in the registry.
Archive: TypeAlias = Annotated[
    str,
    Field(max_length=200),
    Shape(r"^[A-Za-z0-9][A-Za-z0-9._/-]*$", "must be a path in the registry"),
    AfterValidator(_is_inside),
]
Address: TypeAlias = Annotated[
    str, Field(max_length=1000), Shape(r"^https://[!-~]+$", "must begin with https://")
]
PublicKey: TypeAlias = Annotated[
    str, Shape(r"^[A-Za-z0-9_-]{43}$", "must be a key of `hubbub plugin sign`")
]
Subject: TypeAlias = Annotated[
    str, Field(max_length=100), Shape(r"^[!-~]+$", "must be a digest, a key or NAME@VERSION")
]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class IndexedVersion(Strict):
    """A version. `sha256`: of the archive; `digest`: of the package, whatever packed it."""

    version: Version
    archive: Archive | None = None
    url: Address | None = None
    sha256: Sha256
    digest: Sha256
    size: int = Field(gt=0, le=LARGEST_ARCHIVE)
    hubbub: Range
    kind: Kind
    permissions: Permissions = Permissions()
    revoked: Line | None = None


class IndexedPlugin(Strict):
    """`key`: of the publisher, if the versions are signed. `issue`: with ratings and reviews."""

    name: PluginName
    summary: Line
    publisher: Publisher
    key: PublicKey | None = None
    issue: int | None = Field(None, gt=0, lt=2**31)
    versions: list[IndexedVersion] = Field(max_length=MOST_VERSIONS)

    def newest(self, here: str) -> IndexedVersion | None:
        """The newest version that is not revoked and works with this version of Hubbub."""
        fitting = [e for e in self.versions if not e.revoked and versions.fits(here, e.hubbub)]
        return max(fitting, key=lambda each: versions.parse(each.version), default=None)

    def version(self, wanted: str) -> IndexedVersion | None:
        numbers = versions.parse(wanted)
        return next((e for e in self.versions if versions.parse(e.version) == numbers), None)


class Index(Strict):
    """`number` grows with each index. `issued_at` and `expires_at`: seconds since 1970."""

    format: int = Field(ge=1, le=1)
    number: int = Field(gt=0, lt=2**53)
    issued_at: int = Field(gt=0, lt=2**40)
    expires_at: int = Field(gt=0, lt=2**40)
    disclosure: Annotated[str, Field(max_length=1000)] = ""
    plugins: list[IndexedPlugin] = Field([], max_length=MOST_PLUGINS)
    revoked: dict[Subject, Line] = Field({}, max_length=MOST_REVOKED)

    @property
    def revocations(self) -> dict[str, str]:
        """The reasons, also of versions that only the list of versions revokes, by digest."""
        plain, more = signatures.revoked_by_subject(self.revoked), {}
        for plugin in self.plugins:
            for each in plugin.versions:
                known = each.digest, plugin.key, signatures.subject_of(plugin.name, each.version)
                if each.revoked and plain.keys().isdisjoint(known):
                    more[each.digest] = each.revoked
        return self.revoked | more

    def plugin(self, name: str) -> IndexedPlugin | None:
        return next((each for each in self.plugins if each.name == name), None)


def sign(content: bytes, private: str) -> bytes:
    """The content of the signature's file. Raise WrongPackage."""
    return signatures.signature_of(CONTEXT + content, private).encode() + b"\n"


def read(content: bytes, signature: bytes, key: str) -> Index:
    """The index, if it is signed with this key. Raise WrongPackage."""
    if len(content) > LARGEST:
        raise WrongPackage(f"{INDEX} has {len(content)} bytes; the limit is {LARGEST}.")
    _verify(content, signature, key)
    return parse(content)


def _verify(content: bytes, signature: bytes, key: str) -> None:
    try:
        given = signatures.to_bytes(signature.decode().strip()[:200])
        public = Ed25519PublicKey.from_public_bytes(signatures.to_bytes(key))
        public.verify(given, CONTEXT + content)
    except (InvalidSignature, ValueError) as exc:
        raise WrongPackage(
            f"{SIGNATURE} does not fit {INDEX} and the key of the registry. If the registry has a "
            "new key, and you know it from elsewhere, add the registry again with it."
        ) from exc


def parse(content: bytes) -> Index:
    """Raise WrongPackage."""
    try:
        given = json.loads(content)
        found = Index.model_validate(given)
    except ValidationError as exc:
        problems = argument_errors.problems(exc, given, Index)
        first = "; ".join(f"{place}: {why}" for place, why in list(problems.items())[:5])
        raise WrongPackage(f"{INDEX}: {first}."[:500]) from exc
    except (ValueError, RecursionError) as exc:
        raise WrongPackage(f"{INDEX} is no JSON.") from exc
    _check_names(found)
    for plugin in found.plugins:
        for each in plugin.versions:
            if (each.archive is None) == (each.url is None):
                raise WrongPackage(
                    f"{INDEX}: {plugin.name} {each.version} must have `archive` or `url`."
                )
    return found


def _check_names(found: Index) -> None:
    """No name twice, and none that looks like another one. Raise WrongPackage."""
    seen: dict[str, str] = {}
    for each in found.plugins:
        other = seen.setdefault(looks_like(each.name), each.name)
        if other != each.name or sum(one.name == each.name for one in found.plugins) > 1:
            raise WrongPackage(f"{INDEX}: the name {each.name} looks like {other}.")
        numbers = [versions.parse(one.version) for one in each.versions]
        if len(set(numbers)) < len(numbers):
            raise WrongPackage(f"{INDEX}: {each.name} has a version twice.")


def looks_like(name: str) -> str:
    """The same for names that people take for each other."""
    plain = name.replace("-", "").replace("rn", "m").replace("vv", "w")
    return plain.translate(str.maketrans("015", "ols")).replace("i", "l")


def check_age(found: Index, before: int, digest: str, known: str | None, now: int) -> None:
    """Raise WrongPackage for an index that is older than one that was accepted, or expired.

    `before`, `known`: the number and the digest of the one that was accepted last.
    """
    if found.number < before:
        raise WrongPackage(
            f"{INDEX} has the number {found.number}, but {before} was read before: somebody "
            "shows an old index."
        )
    if found.number == before and known not in (None, digest):
        raise WrongPackage(f"{INDEX} changed without a new number.")
    if found.expires_at * SECOND <= now:
        raise WrongPackage(f"{INDEX} has expired. Its registry must sign a new one.")
    if found.issued_at * SECOND > now + AHEAD:
        raise WrongPackage(f"{INDEX} is from the future. Look at the clock of this server.")
