from typing import Any

from bot.github.git_objects import (
    FILE,
    FOLDER,
    MOST_ENTRIES,
    Entry,
    blob_sha,
    dump,
    is_text,
    listing,
    load,
    tree_sha,
)

HELLO = blob_sha(b"hello\n")
INNER = [Entry("b.py", FILE, HELLO, 6)]


def listed(*entries: tuple[str, str, str], truncated: bool = False) -> dict[str, Any]:
    tree = [{"path": p, "mode": m, "sha": s, "size": 6} for p, m, s in entries]
    return {"sha": "0" * 40, "truncated": truncated, "tree": tree}


WHOLE = (
    ("README", FILE, HELLO),
    ("a", FOLDER, tree_sha(INNER)),
    ("a/b.py", FILE, HELLO),
    ("a.txt", FILE, HELLO),
)


def test_objects_have_the_shas_of_git() -> None:
    assert HELLO == "ce013625030ba8dba906f756967f9e9ca394464a"
    assert tree_sha([]) == "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
    # `git mktree`: the folder sorts behind the file a.txt, as if it were named `a/`.
    folder = [Entry("a", FOLDER, tree_sha(INNER)), Entry("a.txt", FILE, HELLO)]
    assert tree_sha(INNER) == "713e7ed7dcbb6e4161acfa814ff260f7b55c8a7d"
    assert tree_sha(folder) == tree_sha(folder[::-1])


def test_a_list_of_all_files_is_split_into_its_folders() -> None:
    found = listing(listed(*WHOLE), most=10)
    assert found.root is not None
    assert [each.name for each in found.folders[found.root]] == ["README", "a.txt", "a"]
    assert found.folders[tree_sha(INNER)] == INNER
    assert found.root == tree_sha(found.folders[found.root])


def test_of_a_list_that_is_cut_short_only_complete_folders_count() -> None:
    cut = listed(*WHOLE[:3], truncated=True)
    assert listing(cut, most=10).root is None
    assert listing(cut, most=10).folders.keys() == {tree_sha(INNER)}
    wrong = listed(("a", FOLDER, "1" * 40), ("a/b.py", FILE, HELLO), truncated=True)
    assert listing(wrong, most=10).folders == {}


def test_of_too_many_folders_those_nearest_to_the_root_are_kept() -> None:
    found = listing(listed(*WHOLE), most=1)
    assert found.folders.keys() == {found.root}


def test_a_folder_is_kept_as_it_is_and_its_names_may_be_odd() -> None:
    odd = [Entry("a b\n\u2028 c", FILE, HELLO, 6), Entry("d", FOLDER, HELLO)]
    assert load(dump(odd)) == odd
    assert load(dump([])) == []


def test_a_file_with_a_zero_byte_or_in_another_encoding_is_no_text() -> None:
    assert is_text("naïve 🚀\n".encode())
    assert not is_text(b"a\0b")
    assert not is_text("naïve".encode("latin-1"))


def test_of_a_huge_list_the_deepest_folders_are_left_for_later() -> None:
    many = [Entry(f"{n}.py", FILE, HELLO, 6) for n in range(MOST_ENTRIES)]
    deep = [(f"a/many/{each.name}", FILE, HELLO) for each in many]
    upper = [Entry("b.py", FILE, HELLO, 6), Entry("many", FOLDER, tree_sha(many))]
    near = (("a", FOLDER, tree_sha(upper)), ("a/b.py", FILE, HELLO))
    found = listing(listed(*near, ("a/many", FOLDER, tree_sha(many)), *deep), most=10)
    assert found.folders.keys() == {found.root, tree_sha(upper)}


def test_entries_without_the_shape_of_one_are_ignored() -> None:
    wrong = [None, {"path": "x"}, {"path": 1, "mode": FILE, "sha": HELLO}, {"sha": "zz"}]
    wrong += [{"path": "a\0b", "mode": FILE, "sha": HELLO}]
    found = listing({"tree": [*wrong, {"path": "a", "mode": FILE, "sha": HELLO}]}, most=10)
    assert found.root is not None
    assert found.folders[found.root] == [Entry("a", FILE, HELLO)]
    assert listing({"tree": "none"}, most=10).root == tree_sha([])
