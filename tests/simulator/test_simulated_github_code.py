"""Folders, files and diffs of the simulated GitHub."""

import subprocess
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

from fixtures.github.git_objects import (
    EXECUTABLE,
    LINK,
    SUBMODULE,
    Special,
    blob_sha,
    content_of,
    data_of,
)
from tests.support.github_client import Acme

REPO = "/repos/acme/web"
LONG = "".join(f"line {n}\n" for n in range(30))


async def test_trees_and_blobs_have_the_shas_that_git_gives_them(
    acme: Acme, tmp_path: Path
) -> None:
    files = {"a.txt": "a\n", "a/b.py": "b\n", "a/c/d.py": "d\n", "run": Special("x", EXECUTABLE)}
    acme.ada.push(acme.web, "fix", {"README.md": None, **files})

    def git(*words: str) -> str:
        made = subprocess.run(
            ["git", "-C", tmp_path, *words], check=True, capture_output=True, text=True
        )
        return made.stdout.strip()

    git("init", "-q")
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "run").chmod(0o755)
    git("add", "-A")
    commit = await acme.call("GET", f"{REPO}/commits/fix")
    assert commit.data["commit"]["tree"]["sha"] == git("write-tree")
    tree = await acme.call("GET", f"{REPO}/git/trees/fix?recursive=1")
    shown = {(each["mode"], each["sha"], each["path"]) for each in tree.data["tree"]}
    listed = git(
        "ls-tree", "-r", "-t", "--format=%(objectmode) %(objectname) %(path)", git("write-tree")
    )
    assert shown == {tuple(line.split(" ", 2)) for line in listed.splitlines()}


async def test_a_binary_file_comes_as_base64_and_raw_and_can_be_committed(acme: Acme) -> None:
    data = bytes(range(256)) * 3
    acme.ada.push(acme.web, "main", {"logo.png": content_of(data)})
    [listed] = (await acme.call("GET", f"{REPO}/contents/?ref=main")).data[1:]
    assert (listed["size"], listed["sha"]) == (768, blob_sha(content_of(data)))
    blob = f"{REPO}/git/blobs/{listed['sha']}"
    raw = "application/vnd.github.raw+json"
    for path in (blob, f"{REPO}/contents/logo.png"):
        shown = (await acme.call("GET", path)).data
        assert (shown["encoding"], b64decode(shown["content"])) == ("base64", data)
        assert (await acme.call("GET", path, Accept=raw)).data == data
    put = {"message": "Change it", "content": b64encode(data[1:]).decode(), "sha": listed["sha"]}
    assert (await acme.call("PUT", f"{REPO}/contents/logo.png", put)).status == 200
    made = acme.web.commits[acme.web.branches["main"]]
    assert data_of(made.files["logo.png"]) == data[1:]
    changed = await acme.call("GET", f"{REPO}/commits/main")
    assert [("patch" in each) for each in changed.data["files"]] == [False]


async def test_links_and_submodules_are_in_a_tree_and_a_long_one_is_cut(acme: Acme) -> None:
    acme.ada.push(
        acme.web, "fix", {"link": Special("a", LINK), "sub": Special("0" * 39 + "1", SUBMODULE)}
    )
    tree = await acme.call("GET", f"{REPO}/git/trees/fix?recursive=1")
    shown = [(each["path"], each["type"], each["mode"]) for each in tree.data["tree"]]
    assert shown == [
        ("README.md", "blob", "100644"),
        ("link", "blob", "120000"),
        ("sub", "commit", "160000"),
    ]
    acme.web.tree_limit = 2
    cut = await acme.call("GET", f"{REPO}/git/trees/fix?recursive=1")
    assert (cut.data["truncated"], len(cut.data["tree"])) == (True, 2)


async def test_a_comparison_has_patches_with_hunks_and_knows_renamed_files(acme: Acme) -> None:
    acme.ada.push(acme.web, "main", {"old.txt": LONG, "gone.txt": "x\n", "logo.png": "\0a"})
    changed = LONG.replace("line 2\n", "line two\n").replace("line 25\n", "line 25\nmore\n")
    acme.ada.push(
        acme.web,
        "fix",
        {"old.txt": None, "new.txt": changed, "gone.txt": None, "add.txt": "1", "logo.png": "\0b"},
    )
    compared = await acme.call("GET", f"{REPO}/compare/main...fix?per_page=1")
    files = {each["filename"]: each for each in compared.data["files"]}
    assert {name: each["status"] for name, each in files.items()} == {
        "add.txt": "added",
        "gone.txt": "removed",
        "logo.png": "modified",
        "new.txt": "renamed",
    }
    assert "patch" not in files["logo.png"]
    assert files["add.txt"]["patch"] == "@@ -0,0 +1 @@\n+1\n\\ No newline at end of file"
    assert files["gone.txt"]["patch"] == "@@ -1 +0,0 @@\n-x"
    renamed = files["new.txt"]
    assert (renamed["previous_filename"], renamed["additions"], renamed["deletions"]) == (
        "old.txt",
        2,
        1,
    )
    headers = [line for line in renamed["patch"].splitlines() if line.startswith("@@")]
    assert headers == ["@@ -1,6 +1,6 @@", "@@ -24,6 +24,7 @@"]


async def test_what_is_not_there_is_refused_in_githubs_words(acme: Acme) -> None:
    async def refusal(path: str) -> tuple[int, Any]:
        answer = await acme.call("GET", f"{REPO}/{path}")
        return answer.status, answer.data["message"]

    none = "f" * 40
    assert await refusal("commits/none") == (422, "No commit found for SHA: none")
    assert await refusal(f"git/trees/{none}") == (404, "Not Found")
    assert await refusal(f"git/blobs/{none}") == (404, "Not Found")
    assert await refusal("compare/main...none") == (404, "Not Found")
    acme.web.commits.clear()
    acme.web.branches.clear()
    assert await refusal("contents/README.md") == (404, "This repository is empty.")
    for path in ("commits/main", f"git/trees/{none}", f"git/blobs/{none}"):
        assert await refusal(path) == (409, "Git Repository is empty.")
