"""An attached file: what is known of it, a link to download it, and a preview of an image."""

from typing import Any
from urllib.parse import urlsplit

from webhooks.page.visit import Visit

# What a page shows as a picture. The address of the download says that it is nothing else.
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")


async def file(visit: Visit) -> dict[str, Any]:
    found = await visit.call("get_attachment", attachment_id=visit.part("file"))
    # The page's policy lets it load pictures from its own origin only.
    download = urlsplit(found.url).path
    at = download.find("/files/")
    return {
        "title": found.file.name,
        "file": found.file,
        "facts": found.facts,
        "download": download[at:],
        "uses": found.attached_to,
        "is_picture": found.file.type in PICTURES,
    }
