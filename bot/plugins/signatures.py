"""Signatures of packages: Ed25519, by publishers whose keys the operator pinned."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from bot.plugins import versions
from bot.plugins.package import Package, WrongPackage

# Before what is signed, so that no signature made for something else counts.
CONTEXT = b"hubbub-plugin 1\0"
PRIVATE = "hubbub-plugin-key:"
LONGEST = 2_000


@dataclass(frozen=True)
class Trust:
    """`publishers`: their keys by name. `revoked`: the reasons, by digest, key or NAME@VERSION."""

    publishers: Mapping[str, frozenset[str]]
    revoked: Mapping[str, str]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def to_bytes(text: str) -> bytes:
    """Raise ValueError."""
    return base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)


def new_key() -> str:
    """A private key, as its file holds it."""
    return PRIVATE + _text(Ed25519PrivateKey.generate().private_bytes_raw())


def _private(text: str) -> Ed25519PrivateKey:
    """Raise WrongPackage."""
    try:
        return Ed25519PrivateKey.from_private_bytes(to_bytes(text.strip().removeprefix(PRIVATE)))
    except (ValueError, binascii.Error) as exc:
        raise WrongPackage("The key file holds no key of `hubbub plugin sign`.") from exc


def public_key(private: str) -> str:
    """Raise WrongPackage."""
    return _text(_private(private).public_key().public_bytes_raw())


def is_public_key(text: str) -> bool:
    try:
        return len(to_bytes(text)) == 32
    except (ValueError, binascii.Error):
        return False


def signature_of(content: bytes, private: str) -> str:
    """Raise WrongPackage."""
    return _text(_private(private).sign(content))


def _content(package: Package) -> bytes:
    found = package.manifest
    return CONTEXT + f"{found.publisher}\0{found.name}\0{found.version}\0{package.digest}".encode()


def sign(package: Package, private: str) -> Package:
    """The package with its signature. Raise WrongPackage."""
    made = {
        "publisher": package.manifest.publisher,
        "key": public_key(private),
        "signature": signature_of(_content(package), private),
    }
    return package.with_signature(json.dumps(made, indent=2).encode() + b"\n")


def verify(package: Package, trust: Trust) -> str | None:
    """The key that signed the package, or None if it has no signature. Raise WrongPackage."""
    found = package.manifest
    for each in (package.digest, subject_of(found.name, found.version)):
        check_revoked(each, trust)
    if package.signature is None:
        return None
    key, signature = _parts(package.signature)
    check_revoked(key, trust)
    pinned = trust.publishers.get(found.publisher, frozenset())
    if key not in pinned:
        raise WrongPackage(
            f"It is signed with the key {key}, which is not trusted for {found.publisher}. If you "
            f"know the key from elsewhere: `hubbub plugin trust {found.publisher} {key}`."
        )
    try:
        Ed25519PublicKey.from_public_bytes(to_bytes(key)).verify(signature, _content(package))
    except (InvalidSignature, ValueError) as exc:
        raise WrongPackage("Its signature does not fit its content.") from exc
    return key


def subject_of(name: str, version: str) -> str:
    """A version, as what is revoked. `1.2` is the same as `1.2.0`."""
    return f"{name}@{'.'.join(map(str, versions.parse(version)))}"


def revoked_by_subject(details: Mapping[str, str]) -> dict[str, str]:
    """The reasons by digest, key, or `subject_of` a version, however people wrote it."""
    return {_plain(subject): why for subject, why in details.items()}


def _plain(subject: str) -> str:
    name, _, version = subject.partition("@")
    return subject_of(name, version) if re.fullmatch(versions.VERSION, version) else subject


def check_revoked(subject: str, trust: Trust) -> None:
    """Raise WrongPackage."""
    if subject in trust.revoked:
        raise WrongPackage(f"{subject} is revoked: {trust.revoked[subject]}.")


def _parts(signature: bytes) -> tuple[str, bytes]:
    try:
        given = json.loads(signature[:LONGEST])
        return str(given["key"]), to_bytes(given["signature"])
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error, RecursionError) as exc:
        raise WrongPackage("Its signature cannot be read.") from exc


def revocations(data: bytes) -> dict[str, str]:
    """The reasons of a revocation list: a line is `SUBJECT reason …`. Raise WrongPackage."""
    try:
        lines = [line.split("#")[0].split(maxsplit=1) for line in data.decode().splitlines()]
    except UnicodeDecodeError as exc:
        raise WrongPackage("The revocation list is not UTF-8.") from exc
    return {
        parts[0][:100]: (parts[1].strip() if len(parts) > 1 else "no reason is given")[:200]
        for parts in lines
        if parts
    }


def key_of(package: Package) -> str | None:
    """The key that its signature names, which nobody has verified. Raise WrongPackage."""
    return None if package.signature is None else _parts(package.signature)[0]
