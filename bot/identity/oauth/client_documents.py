"""Client ID metadata documents: what an address, a host and a document must be like.

An OAuth client names itself by the https address of a document (draft-ietf-oauth-client-id-
metadata-document). Hubbub fetches it, so a caller chooses an address that Hubbub connects to: the
rules here keep it away from everything that is not on the public internet.
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from bot.identity.oauth.clients import ADDRESS, Client, redirect_problem

LONGEST_ADDRESS = 500
LARGEST_DOCUMENT = 5 * 1024
LONGEST_NAME = 60
MOST_REDIRECTS = 20
# How long a document may be used, in seconds: the most, and without a word of its server.
KEEP_S = 3600
KEEP_BY_DEFAULT_S = 600
HOST = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]")
MAX_AGE = re.compile(r"\bmax-age=(\d{1,9})\b")


class Unusable(Exception):
    """The client's document cannot be used. The text is for the person who wants to log in."""


def check_address(client_id: str) -> str:
    """Raise Unusable unless the address may be fetched. Return its host."""
    if len(client_id) > LONGEST_ADDRESS or not ADDRESS.fullmatch(client_id):
        raise Unusable("its address is too long or has a character that is not allowed")
    try:
        parts = urlsplit(client_id)
        port = parts.port
    except ValueError as exc:
        raise Unusable("its address cannot be read") from exc
    if parts.scheme != "https" or not client_id.startswith("https://"):
        raise Unusable("its address does not begin with https://")
    if "@" in parts.netloc or port is not None or parts.netloc.endswith(":"):
        raise Unusable("its address has a user name or a port")
    if "#" in client_id or "?" in client_id:
        raise Unusable("its address has a query or a fragment")
    segments = parts.path.replace("%2e", ".").replace("%2E", ".").split("/")
    if parts.path in ("", "/") or {".", ".."} & set(segments):
        raise Unusable("its address has no path, or a path with dots")
    if not HOST.fullmatch(parts.netloc):
        raise Unusable("its host is not the name of a host on the internet in small letters")
    return parts.netloc


def read_document(client_id: str, body: bytes) -> Client:
    """The client that a document describes. Raise Unusable."""
    document = _json_object(body)
    if document.get("client_id") != client_id:
        raise Unusable("its client_id is not the document's address")
    if document.get("token_endpoint_auth_method", "none") != "none":
        raise Unusable("its token_endpoint_auth_method is not none")
    if {"client_secret", "client_secret_expires_at"} & document.keys():
        raise Unusable("it contains a client_secret")
    grants = document.get("grant_types", ["authorization_code"])
    if not isinstance(grants, list) or "authorization_code" not in grants:
        raise Unusable("its grant_types do not contain authorization_code")
    return Client(client_id, _name(document, client_id), _redirect_uris(document))


def _json_object(body: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise Unusable("it is not JSON") from exc
    if not isinstance(document, dict):
        raise Unusable("it is not a JSON object")
    return document


def _name(document: Mapping[str, Any], client_id: str) -> str:
    name = document.get("client_name")
    return (plain_name(name) if isinstance(name, str) else "") or urlsplit(client_id).netloc


def plain_name(name: str) -> str:
    """A name of somebody unknown, without what would change the look of the text around it."""
    seen = (each for each in name if unicodedata.category(each)[0] not in "CZ" or each == " ")
    return " ".join("".join(seen).split())[:LONGEST_NAME]


def _redirect_uris(document: Mapping[str, Any]) -> tuple[str, ...]:
    uris = document.get("redirect_uris")
    if not isinstance(uris, list) or not 1 <= len(uris) <= MOST_REDIRECTS:
        raise Unusable(f"its redirect_uris are not a list of 1 to {MOST_REDIRECTS} addresses")
    usable = [each for each in uris if isinstance(each, str) and not redirect_problem(each)]
    if not usable:
        raise Unusable("it has no redirect address that is allowed")
    return tuple(usable)


def keep_seconds(cache_control: str) -> int:
    """How long the document may be used, by the header Cache-Control."""
    words = cache_control.lower()
    if "no-store" in words or "no-cache" in words:
        return 0
    found = MAX_AGE.search(words)
    return min(int(found[1]), KEEP_S) if found else KEEP_BY_DEFAULT_S
