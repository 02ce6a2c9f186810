"""Listing and reading files. On SQLite only where the engine plays no part."""

import json
from typing import Any

import pytest

from bot.github import git_objects
from bot.github.git_objects import FILE, FOLDER, Entry
from bot.identity.actors import Actor
from bot.mirror import code
from bot.operations.code import places
from fixtures.github.git_objects import EXECUTABLE, LINK, SUBMODULE, Special
from store.engine.transaction import Tx
from store.mirror import code_objects
from tests.support.engines import ON_SQLITE
from tests.support.story import Agent, Workspace

FILES = {
    "src/engine.py": "import os\n\nprint(os.name)\n",
    "src/parts/bolt.py": "SIZE = 3\n",
    "docs/use.md": "# Use\n",
    "README.md": "# Rocket\n",
}
HERE = {"repository": "acme/rocket"}
POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 12345\n"


@pytest.fixture
async def ada(workspace: Workspace) -> Agent:
    workspace.person.push(workspace.repository, "main", dict(FILES))
    await workspace.settle()
    return await workspace.agent("ada", "observer")


async def read(workspace: Workspace, agent: Agent, operation: str, **given: Any) -> dict[str, Any]:
    """The answer after GitHub was asked for what is missing, as often as that takes."""
    for _ in range(6):
        answer = await agent.call(operation, **given)
        if answer["pending"] is None:
            return answer
        await workspace.settle()
    raise AssertionError(f"still pending: {answer}")


async def read_one(workspace: Workspace, agent: Agent, path: str, **given: Any) -> dict[str, Any]:
    answer = await read(workspace, agent, "github_read_files", paths=[path], **(given or HERE))
    (found,) = answer["files"]
    assert isinstance(found, dict)
    return found


async def test_a_file_is_read_once_for_all_and_then_costs_no_request(
    workspace: Workspace, ada: Agent
) -> None:
    first = await ada.call("github_read_files", paths=["src/engine.py"], **HERE)
    assert first["files"] == []
    assert first["pending"].startswith("It is being read from GitHub. Ask again in 1 s")
    answer = await read(workspace, ada, "github_read_files", paths=["src/engine.py"], **HERE)
    assert answer["files"][0] | {"note": None} == {
        "path": "src/engine.py",
        "text": FILES["src/engine.py"],
        "lines": 3,
        "next_line": None,
        "note": None,
    }
    assert answer["commit"] == workspace.repository.branches["main"]
    assert (answer["repository"], answer["trusted"], answer["left_out"]) == (
        "acme/rocket",
        True,
        [],
    )
    requests = len(workspace.github.requests)
    bob = await workspace.agent("bob")
    again = await bob.call("github_read_files", paths=["src/engine.py", "src"], **HERE)
    assert again["files"][0] == answer["files"][0]
    await workspace.settle()
    assert len(workspace.github.requests) == requests + 1, "the other file of the folder"


@ON_SQLITE
async def test_ten_agents_that_ask_at_once_cause_one_request(workspace: Workspace) -> None:
    workspace.person.push(workspace.repository, "main", dict(FILES))
    await workspace.settle()
    agents = [await workspace.agent(f"agent-{n}") for n in range(10)]
    before = len(workspace.github.requests)
    for _ in range(3):
        for each in agents:
            await each.call("github_read_files", paths=["README.md"], **HERE)
        await workspace.settle()
    asked = [each.path for each in workspace.github.requests[before:]]
    assert [each.split("/")[5] for each in asked] == ["trees", "blobs"]


@ON_SQLITE
async def test_files_are_listed_folder_by_folder_as_far_as_there_is_room(
    workspace: Workspace, ada: Agent
) -> None:
    listed = await read(workspace, ada, "github_list_files", **HERE)
    assert listed["files"] == [
        "README.md 9",
        "docs/use.md 6",
        "src/engine.py 26",
        "src/parts/bolt.py 9",
    ]
    below = await read(workspace, ada, "github_list_files", path="src/parts/", **HERE)
    assert below["files"] == ["src/parts/bolt.py 9"]
    one = await read(workspace, ada, "github_list_files", path="docs/use.md", **HERE)
    assert one["files"] == ["docs/use.md 6"]
    missing = await ada.refusal("github_list_files", path="docs/none", **HERE)
    assert str(missing) == (
        f"`path`: there is no docs/none in commit {workspace.repository.branches['main']}."
    )
    many = {f"many/{n:03}.txt": str(n) for n in range(100)}
    workspace.person.push(workspace.repository, "main", many)
    await workspace.settle()
    short = await read(workspace, ada, "github_list_files", max_tokens=200, **HERE)
    assert "many/" in short["files"]
    assert "src/parts/bolt.py 9" in short["files"]
    assert short["next_cursor"] is None
    shown: list[str] = []
    cursor = None
    while True:
        given = {"path": "many", "max_tokens": 200, "cursor": cursor}
        page = await read(workspace, ada, "github_list_files", **given, **HERE)
        shown += page["files"]
        if (cursor := page["next_cursor"]) is None:
            break
        # A page shows the commit that the first one showed, and says that the branch moved.
        workspace.person.push(workspace.repository, "main", {f"many/{len(shown)}a.txt": "new"})
        await workspace.settle()
    assert shown == [f"{path} {len(text)}" for path, text in many.items()]
    assert page["head"] == workspace.repository.branches["main"] != page["commit"]


@ON_SQLITE
async def test_what_is_no_text_is_said_for_each_path(workspace: Workspace, ada: Agent) -> None:
    odd = {
        "logo.png": "\x89PNG\0",
        "link": Special("src/engine.py", LINK),
        "vendor": Special("a" * 40, SUBMODULE),
        "big.txt": "x" * (1024**2 + 1),
        "model.bin": POINTER,
    }
    workspace.person.push(workspace.repository, "main", odd)
    await workspace.settle()
    answer = await read(
        workspace, ada, "github_read_files", paths=[*odd, "none.py", "src/engine.py/x"], **HERE
    )
    assert {each["path"]: (each["text"], each["note"]) for each in answer["files"]} == {
        "logo.png": (None, "Not text in UTF-8: 6 bytes."),
        "link": ("src/engine.py", "A link: the text is where it leads."),
        "vendor": (None, f"A submodule: commit {'a' * 40} of another repository."),
        "big.txt": (
            None,
            "Too large: 1048577 bytes. Hubbub reads files of up to 1048576 bytes.",
        ),
        "model.bin": (POINTER, "A pointer of Git LFS: the file itself is not in the repository."),
        "none.py": (
            None,
            "There is no such file in this commit; github_list_files shows what there is.",
        ),
        "src/engine.py/x": (
            None,
            "There is no such file in this commit; github_list_files shows what there is.",
        ),
    }
    listed = await read(workspace, ada, "github_list_files", **HERE)
    assert f"vendor submodule {'a' * 40}" in listed["files"]
    assert "link link" in listed["files"]


@ON_SQLITE
async def test_a_long_file_is_read_in_parts_and_the_others_wait(
    workspace: Workspace, ada: Agent
) -> None:
    text = "".join(f"line {n} of many\n" for n in range(1, 201))
    workspace.person.push(workspace.repository, "main", {"long.txt": text, "wide.txt": "y" * 5000})
    await workspace.settle()
    paths, read_text, start = ["long.txt", "README.md"], "", 1
    while True:
        given = {"paths": paths, "start_line": start, "max_tokens": 300}
        page = await read(workspace, ada, "github_read_files", **given, **HERE)
        read_text += page["files"][0]["text"]
        assert page["files"][0]["lines"] == 200
        if (following := page["files"][0]["next_line"]) is None:
            break
        assert page["left_out"] == ["README.md"]
        start = following
    assert read_text == text
    assert page["files"][1]["text"] == "# Rocket\n"
    (wide,) = (
        await read(workspace, ada, "github_read_files", paths=["wide.txt"], max_tokens=300, **HERE)
    )["files"]
    assert wide["note"].startswith("Line 1 is cut: ")
    beyond = await read_one(workspace, ada, "README.md", start_line=9, **HERE)
    assert (beyond["text"], beyond["note"]) == ("", "The file has only 1 lines.")


@ON_SQLITE
async def test_a_tasks_branch_then_its_pull_request_is_what_its_name_means(
    workspace: Workspace, ada: Agent
) -> None:
    issue = await workspace.task()
    task = workspace.name(issue)
    bob = await workspace.agent("bob")
    taken = await bob.call("claim_task", task=task)
    assert (await read_one(workspace, ada, "README.md", task=task))["text"] == "# Rocket\n"
    for n, text in enumerate(("# One\n", "# Two\n")):
        files = [{"path": "README.md", "content": text}]
        given = {"task": task, "fence": taken["fence"], "branch": "mend"}
        await bob.call("github_commit_files", message="Write", files=files, **given)
        await workspace.settle()
        assert (await read_one(workspace, ada, "README.md", task=task))["text"] == text
        if not n:
            await bob.call(
                "github_create_pr", head="mend", title="Mend", task=task, fence=taken["fence"]
            )
            await workspace.settle()
    (pull,) = workspace.repository.pulls.values()
    by_pull = f"acme/rocket#{pull.number}"
    answer = await read(workspace, ada, "github_read_files", paths=["README.md"], task=by_pull)
    assert (answer["commit"], answer["files"][0]["text"]) == (pull.head_sha, "# Two\n")
    old = workspace.repository.commits[pull.head_sha].parents[0]
    earlier = await read(
        workspace, ada, "github_read_files", paths=["README.md"], task=task, ref=old
    )
    assert (earlier["commit"], earlier["head"], earlier["files"][0]["text"]) == (
        old,
        pull.head_sha,
        "# One\n",
    )


async def test_what_agents_commit_is_known_without_a_request(
    workspace: Workspace, ada: Agent
) -> None:
    await read(workspace, ada, "github_list_files", **HERE)
    bob = await workspace.agent("bob")
    files = [
        {"path": "src/parts/nut.py", "content": "SIZE = 4\n"},
        {"path": "src/engine.py", "content": "print(4)\n"},
    ]
    given = {"branch": "mend", "message": "Nuts", "files": files, "delete": ["docs/use.md"]}
    await bob.call("github_commit_files", **given, **HERE)
    await workspace.settle()
    requests = len(workspace.github.requests)
    listed = await ada.call("github_list_files", ref="mend", **HERE)
    assert (listed["pending"], listed["files"]) == (
        None,
        ["README.md 9", "src/engine.py 9", "src/parts/bolt.py 9", "src/parts/nut.py 9"],
    )
    paths = ["src/parts/nut.py", "src/engine.py"]
    found = await ada.call("github_read_files", paths=paths, ref="mend", **HERE)
    assert [each["text"] for each in found["files"]] == ["SIZE = 4\n", "print(4)\n"]
    assert len(workspace.github.requests) == requests


@ON_SQLITE
async def test_what_github_makes_of_an_executable_file_is_read_and_not_guessed(
    workspace: Workspace, ada: Agent
) -> None:
    workspace.person.push(workspace.repository, "main", {"run": Special("1\n", EXECUTABLE)})
    await workspace.settle()
    await read(workspace, ada, "github_list_files", **HERE)
    bob = await workspace.agent("bob")
    files = [{"path": "run", "content": "22\n"}]
    await bob.call("github_commit_files", branch="mend", message="Run", files=files, **HERE)
    await workspace.settle()
    assert (await ada.call("github_list_files", ref="mend", **HERE))["pending"]
    listed = await read(workspace, ada, "github_list_files", ref="mend", **HERE)
    assert "run 3" in listed["files"]


@ON_SQLITE
async def test_a_tag_a_short_sha_and_a_whole_one_name_a_commit(
    workspace: Workspace, ada: Agent
) -> None:
    old = workspace.repository.branches["main"]
    workspace.repository.tags["v1"] = old
    workspace.person.push(workspace.repository, "main", {"README.md": "# New\n"})
    await workspace.settle()
    new = workspace.repository.branches["main"]
    assert (await read(workspace, ada, "github_list_files", ref=new[:8], **HERE))["commit"] == new
    # A short SHA may be that of a fork's commit, as a whole one may.
    for ref, trusted in (("v1", True), (old, False), (old[:8], False)):
        answer = await read(
            workspace, ada, "github_read_files", paths=["README.md"], ref=ref, **HERE
        )
        assert (answer["commit"], answer["trusted"], answer["files"][0]["text"]) == (
            old,
            trusted,
            "# Rocket\n",
        )
    for ref in ("pull/7/head", "refs/pull/7/merge", old.upper(), f"v1-3-g{old[:7]}"):
        assert places.OF_ANYBODY.fullmatch(ref), ref
    for ref in ("main", "feature/pull/7", "v1.0-beta", "refs/heads/fix"):
        assert not places.OF_ANYBODY.fullmatch(ref), ref
    blob = "ce013625030ba8dba906f756967f9e9ca394464a"
    for ref in ("none", "f" * 40, blob):
        await ada.call("github_list_files", ref=ref, **HERE)
        await workspace.settle()
        refused = await ada.refusal("github_list_files", ref=ref, **HERE)
        assert refused.code == "unknown_ref"
        assert str(refused) == (
            f"acme/rocket has no branch, tag or commit `{ref}`. The default branch is `main`."
        )


@ON_SQLITE
async def test_a_list_that_github_cuts_short_is_read_folder_by_folder(
    workspace: Workspace, ada: Agent
) -> None:
    workspace.repository.tree_limit = 2
    listed = await read(workspace, ada, "github_list_files", **HERE)
    assert "src/parts/bolt.py 9" in listed["files"]
    assert len(listed["files"]) == 4


@ON_SQLITE
async def test_an_empty_repository_says_that_it_has_no_commit(workspace: Workspace) -> None:
    workspace.repository.commits.clear()
    workspace.repository.branches.clear()
    await workspace.store.write(lambda tx: tx.run("DELETE FROM refs"))
    ada = await workspace.agent("ada")
    await ada.call("github_list_files", **HERE)
    await workspace.settle()
    refused = await ada.refusal("github_list_files", **HERE)
    assert (refused.code, str(refused)) == ("unknown_ref", "acme/rocket has no commit yet.")


async def test_code_is_out_of_reach_for_other_installations_and_other_repositories(
    workspace: Workspace, ada: Agent
) -> None:
    await read_one(workspace, ada, "src/engine.py")
    workspace.github.repository("acme/open")
    workspace.github.set_permission("acme/open", "octocat", "admin")
    workspace.github.add_repositories(workspace.installation, ["acme/open"])
    await workspace.settle()
    sha = workspace.repository.branches["main"]
    # The commit of one repository is unknown in another one, although its files are here.
    await ada.call("github_list_files", repository="acme/open", ref=sha)
    await workspace.settle()
    refused = await ada.refusal("github_list_files", repository="acme/open", ref=sha)
    assert refused.code == "unknown_ref"
    other = next(each.id for each in workspace.installation.repositories if each.name == "open")
    reach = Actor(workspace.installation.id, "ada", "observer", frozenset({other}))
    stranger = Actor(workspace.installation.id + 1, "ada", "tech-lead")
    for actor in (reach, stranger):
        agent = Agent(workspace.dispatcher, actor)
        for operation, given in (
            ("github_read_files", {"paths": ["src/engine.py"]}),
            ("github_list_files", {}),
            ("github_get_diff", {"head": "main"}),
        ):
            refused = await agent.refusal(operation, **given, **HERE)
            assert refused.code == "unknown_repository"


@ON_SQLITE
async def test_while_github_is_away_the_answer_says_so_and_the_read_goes_on(
    workspace: Workspace, ada: Agent
) -> None:
    workspace.github.fault("GET", "/git/trees/", "500")
    await ada.call("github_list_files", **HERE)
    await workspace.sender.step(workspace.installation.id)
    answer = await ada.call("github_list_files", **HERE)
    assert answer["pending"].startswith("GitHub did not answer yet (500")
    await workspace.settle()
    assert (await ada.call("github_list_files", **HERE))["pending"] is None


@ON_SQLITE
async def test_an_answer_says_when_a_limit_makes_it_late(workspace: Workspace, ada: Agent) -> None:
    workspace.github.exhaust(workspace.installation, seconds=1800)
    await ada.call("github_list_files", **HERE)
    await workspace.sender.step(workspace.installation.id)
    answer = await ada.call("github_list_files", **HERE)
    assert answer["pending"].startswith(
        "GitHub's limit is used up. It is read after 2027-01-15T08:"
    )
    await workspace.settle()
    assert (await ada.call("github_list_files", **HERE))["pending"] is None


@ON_SQLITE
async def test_a_file_that_github_refuses_is_said_at_its_path(
    workspace: Workspace, ada: Agent
) -> None:
    await read(workspace, ada, "github_list_files", **HERE)
    workspace.github.fault("GET", "/git/blobs/", "404")
    paths = ["README.md", "docs/use.md"]
    answer = await read(workspace, ada, "github_read_files", paths=paths, **HERE)
    refused, read_one = answer["files"]
    assert refused["note"].startswith("GitHub refused to show this part of acme/rocket (404")
    assert read_one["text"] == "# Use\n"


@ON_SQLITE
async def test_an_agent_that_reads_much_lets_others_read_between(
    workspace: Workspace, ada: Agent
) -> None:
    many = {f"many/{n}.txt": f"{n}\n" for n in range(30)}
    workspace.person.push(workspace.repository, "main", many)
    await workspace.settle()
    await read(workspace, ada, "github_list_files", **HERE)
    await ada.call("github_read_files", paths=list(many)[:20], **HERE)
    bob = await workspace.agent("bob")
    await bob.call("github_read_files", paths=["README.md"], **HERE)
    before = len(workspace.github.requests)
    await workspace.settle()
    blobs = [each.path for each in workspace.github.requests[before:] if "/blobs/" in each.path]
    (readme,) = await bob.dispatcher.store.read(
        lambda tx: tx.all(
            "SELECT arguments FROM pending_reads WHERE installation_id = :i AND asker = 'bob'",
            i=workspace.installation.id,
        )
    )
    sha = json.loads(readme["arguments"])["sha"]
    place = next(n for n, path in enumerate(blobs) if sha in path)
    assert place <= 2, "after what was due before it, and before most of the others"
    assert len(blobs) == 21


@ON_SQLITE
async def test_the_sha_of_an_annotated_tag_leads_to_its_commit(
    workspace: Workspace, ada: Agent
) -> None:
    """GitHub answers with the commit, which has another SHA. Hubbub asked again and again."""
    head, tag = workspace.repository.branches["main"], "7a" * 20
    here = (workspace.installation.id, workspace.repository.id)
    await workspace.store.write(lambda tx: code.put_name(tx, here, tag, head))
    answer = await read(workspace, ada, "github_list_files", ref=tag, **HERE)
    assert (answer["commit"], answer["files"][0]) == (head, "README.md 9")


async def keep_folder(workspace: Workspace, name: str, contents: list[bytes]) -> None:
    """A folder of files that Hubbub has read: 0, 1, 2 and so on."""
    here = (workspace.installation.id, workspace.repository.id)
    shas = [git_objects.blob_sha(each) for each in contents]
    files = [Entry(str(n), FILE, sha, len(contents[n])) for n, sha in enumerate(shas)]
    root = [Entry(name, FOLDER, git_objects.tree_sha(files))]
    commit = workspace.repository.branches["main"]

    async def put(tx: Tx) -> None:
        await code.put_blobs(tx, here, contents)
        folders = {git_objects.tree_sha(each): each for each in (root, files)}
        await code.put_folders(tx, here, folders)
        sha = git_objects.tree_sha(root).encode()
        await code_objects.put(tx, here, "commit", commit, sha)

    await workspace.store.write(put)


@ON_SQLITE
async def test_a_call_says_which_files_of_a_folder_it_left_out(
    workspace: Workspace, ada: Agent
) -> None:
    await keep_folder(workspace, "many", [f"{n}\n".encode() for n in range(53)])
    answer = await ada.call("github_read_files", paths=["many"], **HERE)
    assert (len(answer["files"]), answer["pending"]) == (50, None)
    shown = {each["path"] for each in answer["files"]}
    assert {*shown, *answer["left_out"]} == {f"many/{n}" for n in range(53)}
    rest = await ada.call("github_read_files", paths=answer["left_out"], **HERE)
    assert (len(rest["files"]), rest["left_out"]) == (3, [])


@ON_SQLITE
async def test_a_folder_of_large_binary_files_is_not_looked_through_in_one_call(
    workspace: Workspace, ada: Agent
) -> None:
    """Such files take no room in an answer. A thousand of them held up all others for seconds."""
    await keep_folder(workspace, "pictures", [bytes([n]) + bytes(1024**2 - 1) for n in range(12)])
    answer = await ada.call("github_read_files", paths=["pictures"], **HERE)
    assert (len(answer["files"]), len(answer["left_out"])) == (8, 4)


@ON_SQLITE
async def test_of_a_wide_folder_a_call_reads_no_more_than_it_says(
    workspace: Workspace, ada: Agent
) -> None:
    wide = {f"wide/{n:03}/a.txt": f"{n}\n" for n in range(150)}
    workspace.person.push(workspace.repository, "main", wide)
    await workspace.settle()
    for _ in range(2):
        await ada.call("github_list_files", **HERE)
        await workspace.settle()
    answer = await ada.call("github_read_files", paths=["wide"], **HERE)
    assert answer["pending"].startswith("It is being read from GitHub. Ask again in 7 s")


@ON_SQLITE
async def test_reading_code_leaves_a_third_of_the_limit_to_people_and_writes(
    workspace: Workspace, ada: Agent
) -> None:
    """One agent could spend all of it by reading, and then no command and no write went out."""
    await ada.call("github_list_files", **HERE)
    await workspace.settle()
    bucket = workspace.github.world.limits.bucket(workspace.installation.id, workspace.clock.now())
    bucket.used = bucket.limit * 66 // 100
    writer = await workspace.agent("writer")
    issue = await workspace.task()
    await ada.call("github_read_files", paths=["README.md"], **HERE)
    await workspace.sender.step(workspace.installation.id)
    late = await ada.call("github_read_files", paths=["docs/use.md"], **HERE)
    assert late["pending"].startswith("GitHub's limit is used up")
    await writer.write("github_comment_issue", issue=workspace.name(issue), body="Half done")
    began = workspace.clock.now()
    for _ in range(10):
        workspace.clock.forward(await workspace.sender.step(workspace.installation.id) or 0)
        if issue.comments:
            break
    assert workspace.clock.now() - began < 60
    assert (await ada.call("github_read_files", paths=["docs/use.md"], **HERE))["pending"]
    await workspace.settle()
    answer = await ada.call("github_read_files", paths=["docs/use.md"], **HERE)
    assert answer["files"][0]["text"] == "# Use\n"
