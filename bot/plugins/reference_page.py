"""A page about a plug-in in Markdown, made of its manifest."""

from collections.abc import Iterator

from bot.plugins.manifest import AddedOperation, Manifest


def page(manifest: Manifest) -> str:
    return "\n".join(_lines(manifest)) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _lines(manifest: Manifest) -> Iterator[str]:
    yield f"# {manifest.name} {manifest.version}"
    yield f"\n{manifest.description}\n"
    yield f"By {manifest.publisher}, licence {manifest.licence}. For Hubbub {manifest.hubbub}."
    for each in manifest.adds.operations:
        yield from _operation(manifest, each)
    adds = manifest.adds
    if adds.events:
        yield f"\n## Events\n\nIt handles {', '.join(f'`{each}`' for each in adds.events)}."
    if adds.card_lines:
        yield "\n## Cards\n\nIt adds lines to the cards of tasks."
    for title, found in (
        ("Strategies", adds.strategies),
        ("Protocols", adds.protocols),
        ("Panels", adds.panels),
    ):
        if found:
            yield f"\n## {title}\n\n| name | description |\n|---|---|"
            yield from (f"| `{each.name}` | {_cell(each.description)} |" for each in found)
    yield from _permissions(manifest)
    yield from _settings(manifest)


def _operation(manifest: Manifest, operation: AddedOperation) -> Iterator[str]:
    kind = "It only reads." if operation.reads_only else "It may change something."
    yield f"\n## `{manifest.full_name(operation.name)}`\n\n{operation.description}\n"
    yield f"For the role {operation.role} and above. {kind}"
    if operation.arguments:
        yield "\n| argument | type | required | meaning |\n|---|---|---|---|"
    for name, each in operation.arguments.items():
        required = "yes" if each.required else "no"
        yield f"| `{name}` | {each.type} | {required} | {_cell(each.description)} |"


def _permissions(manifest: Manifest) -> Iterator[str]:
    may = manifest.permissions
    yield f"\n## Permissions\n\nRole: {may.role}."
    yield f"Operations: {', '.join(f'`{each}`' for each in may.operations) or 'none'}."
    yield f"Hosts: {', '.join(f'`{each}`' for each in may.hosts) or 'none'}."


def _settings(manifest: Manifest) -> Iterator[str]:
    if not manifest.settings:
        return
    yield "\n## Settings\n\n| setting | type | required | default | meaning |"
    yield "|---|---|---|---|---|"
    for name, each in manifest.settings.items():
        default = "" if each.default is None else f"`{each.default}`"
        required = "yes" if each.required else "no"
        yield f"| `{name}` | {each.type} | {required} | {default} | {_cell(each.description)} |"
