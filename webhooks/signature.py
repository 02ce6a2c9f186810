"""GitHub's signature: HMAC-SHA256 over the raw body, in X-Hub-Signature-256."""

import hmac


def sign(secret: str, body: bytes) -> str:
    return "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex()


def is_valid(secret: str, body: bytes, signature: str) -> bool:
    """Compared in constant time. A header may hold any bytes, which aiohttp escapes."""
    given = signature.encode("utf-8", "surrogateescape")
    return hmac.compare_digest(sign(secret, body).encode(), given)
