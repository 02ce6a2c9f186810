"""`hubbub flags`: its output, its exit status, and the audit. Each engine runs the same code."""

import json
from pathlib import Path
from typing import Any

from tests.support.command_line import hubbub
from tests.support.server_process import rows, settings


async def run(url: str, folder: Path, *words: str) -> tuple[int, str, str]:
    return await hubbub("flags", *words, folder=folder, **settings(url))


async def listed(url: str, folder: Path) -> list[dict[str, Any]]:
    code, out, err = await run(url, folder, "list", "--json")
    assert (code, err) == (0, "")
    return [json.loads(line) for line in out.splitlines()]


async def test_a_flag_is_set_for_a_share_and_for_one_and_cleared(
    sqlite_url: str, tmp_path: Path
) -> None:
    assert [(each["flag"], each["installation"], each["state"], each["why"]) for each in
            await listed(sqlite_url, tmp_path)] == [
        ("mcp_fast_path", "all", "on", "default"),
        ("joint_requests", "all", "on", "default"),
    ]  # fmt: skip
    words = ("set", "mcp_fast_path", "10%", "--why", "after the change of the parser")
    assert await run(sqlite_url, tmp_path, *words) == (
        0,
        "mcp_fast_path is on for 10% for all installations, on every server within 5 seconds.\n",
        "",
    )
    code, out, _ = await run(
        sqlite_url, tmp_path, "set", "mcp_fast_path", "off", "--installation", "42"
    )
    assert (code, out.startswith("mcp_fast_path is off for 42, ")) == (0, True)
    found = await listed(sqlite_url, tmp_path)
    assert [(each["installation"], each["state"], each["by"]) for each in found] == [
        ("all", "on for 10%", "operator"),
        (42, "off", "operator"),
        ("all", "on", None),
    ]
    assert found[0]["why"] == "after the change of the parser"
    code, out, _ = await run(sqlite_url, tmp_path, "list")
    assert (code, "on for 10%" in out) == (0, True)
    clear = ("clear", "mcp_fast_path", "--installation", "42")
    code, out, _ = await run(sqlite_url, tmp_path, *clear)
    assert (code, out) == (0, "mcp_fast_path is as it was before it was set for 42.\n")
    code, _, err = await run(sqlite_url, tmp_path, *clear)
    assert (code, "is not set there" in err) == (2, True)
    audit = await rows(sqlite_url, "SELECT installation_id, operation, subject, actor FROM audit")
    assert [tuple(each.values()) for each in audit] == [
        (0, "flags set", "mcp_fast_path", "operator"),
        (42, "flags set", "mcp_fast_path", "operator"),
        (42, "flags clear", "mcp_fast_path", "operator"),
    ]


async def test_a_wrong_flag_value_or_installation_is_refused_and_changes_nothing(
    sqlite_url: str, tmp_path: Path
) -> None:
    for words, problem in (
        (("set", "fast", "on"), "There is no flag 'fast'. The flags are mcp_fast_path, joint_"),
        (("set", "mcp_fast_path", "maybe"), "must be on, off, or a share such as 10%"),
        (("set", "mcp_fast_path", "10%", "--installation", "42"), "for one of them pass on or off"),
        (("set", "mcp_fast_path", "on", "--installation", "nobody"), "knows no installation"),
        (("clear", "fast"), "There is no flag"),
    ):
        code, out, err = await run(sqlite_url, tmp_path, *words)
        assert (code, out) == (2, "")
        assert problem in err
    assert await rows(sqlite_url, "SELECT * FROM feature_flags") == []
