"""The request body of an operation, by the document."""

import re

from bot.tool_servers.openapi.document_text import one_line
from bot.tool_servers.openapi.manifest import Body, BodyKind, Field, Style
from bot.tool_servers.openapi.parameters import Unsupported
from bot.tool_servers.openapi.references import Document, Node, follow

MOST_FIELDS = 500
CONTENT_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(; *[\w-]+=[\w.+-]+)*", re.ASCII)
FORM_STYLES: dict[str, Style] = {
    "form": "form",
    "spaceDelimited": "spaceDelimited",
    "pipeDelimited": "pipeDelimited",
    "deepObject": "deepObject",
}
# The kinds in the order in which they are preferred.
KINDS: tuple[BodyKind, ...] = ("json", "form", "multipart", "text")


def kind_of(content_type: str) -> BodyKind | None:
    """How a body of this type is written, if it can be."""
    kind = content_type.split(";", maxsplit=1)[0].strip().lower()
    if kind in ("application/json", "*/*", "application/*") or kind.endswith("+json"):
        return "json"
    if kind == "application/x-www-form-urlencoded":
        return "form"
    if kind == "multipart/form-data":
        return "multipart"
    is_text = kind.startswith("text/") or kind.endswith(("/xml", "+xml", "/yaml"))
    return "text" if is_text else None


def body_of(document: Document, operation: Node) -> tuple[Body, Node, bool] | None:
    """The body, the node of its media type, and whether it is required. None without a body."""
    given = operation.get("requestBody")
    node = follow(document, given) if given else None
    content = node.get("content") if node else None
    if node is None or content is None or not content.object():
        return None
    is_required = node.flag("required") is True
    readable = [(kind, key, each) for key, each in content.items() if (kind := kind_of(key))]
    if not readable:
        if not is_required:
            return None
        raise Unsupported(f"its body is {one_line(', '.join(content.object()))}")
    kind, key, media = min(readable, key=lambda each: KINDS.index(each[0]))
    fields = _fields(document, kind, media) if kind in ("form", "multipart") else {}
    content_type = key if CONTENT_TYPE.fullmatch(key) else "application/json"
    return Body(kind=kind, content_type=content_type, fields=fields), media, is_required


def _fields(document: Document, kind: BodyKind, media: Node) -> dict[str, Field]:
    """The fields of a form that are not written in the usual way."""
    schema = media.get("schema")
    properties = follow(document, schema).get("properties") if schema else None
    encoding = media.get("encoding")
    names = [*(properties.object() if properties else ()), *(encoding.object() if encoding else ())]
    made: dict[str, Field] = {}
    for name in dict.fromkeys(names[:MOST_FIELDS]):
        given = properties.get(name) if properties else None
        field = _field(
            kind,
            encoding.get(name) if encoding else None,
            follow(document, given) if given else None,
        )
        if field != Field():
            made[name] = field
    return made


def _field(kind: BodyKind, encoding: Node | None, schema: Node | None) -> Field:
    known = schema.value if schema and isinstance(schema.value, dict) else {}
    content_type = encoding.text("contentType").split(",")[0].strip() if encoding else ""
    if kind == "multipart":
        is_file = known.get("format") in ("binary", "base64", "byte") or bool(
            known.get("contentMediaType") or known.get("contentEncoding")
        )
        kept = content_type if CONTENT_TYPE.fullmatch(content_type) else ""
        return Field(content_type=kept, is_file=is_file)
    if encoding and (given := encoding.text("style")) in FORM_STYLES:
        explode = encoding.flag("explode")
        default = given in ("form", "deepObject")
        return Field(
            style=FORM_STYLES[given],
            explode=default if explode is None else explode,
        )
    is_object = known.get("type") == "object" or "properties" in known
    return Field(style="json") if is_object or content_type.endswith("json") else Field()
