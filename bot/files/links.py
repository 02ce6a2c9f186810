"""Short-lived addresses of files: who has one can download a file, or go on with an upload.

They are encrypted, so nobody can guess or change one, and they say nothing to who reads them.
"""

from dataclasses import dataclass

from bot.errors import Refused
from bot.files.rules import LINK_S, UPLOAD_S
from bot.identity import sealed_texts
from bot.identity.keyring import Keys
from bot.times import SECOND

DOWNLOAD, UPLOAD = "file download", "file upload"


@dataclass(frozen=True)
class Link:
    installation_id: int
    # Of the attachment, or of the upload.
    id: str
    expires_at: int


def download(keys: Keys, installation_id: int, attachment_id: str, now: int) -> str:
    """The path of a download."""
    content = [installation_id, attachment_id, now + LINK_S * SECOND]
    return f"/files/{sealed_texts.seal(keys, DOWNLOAD, content)}"


def upload(keys: Keys, installation_id: int, upload_id: str, now: int) -> str:
    """The path of an upload."""
    content = [installation_id, upload_id, now + UPLOAD_S * SECOND]
    return f"/files/upload/{sealed_texts.seal(keys, UPLOAD, content)}"


def read(keys: Keys, purpose: str, text: str, now: int) -> Link:
    """Raise Refused."""
    found = sealed_texts.unseal(keys, purpose, text)
    if found is None:
        raise Refused("unknown_attachment", "This address of a file is not one of this server.")
    link = Link(*found)
    if link.expires_at <= now:
        remedy = "get_attachment" if purpose == DOWNLOAD else "attach_file"
        raise Refused(
            "unknown_attachment",
            f"This address of a file has expired. {remedy} gives a new one.",
        )
    return link
