"""`hubbub workflow`: check a file, and begin with one that comes with Hubbub."""

from pathlib import Path

from bot.workflows.definitions import shipped
from tests.support.command_line import hubbub

WRONG = "steps:\n  - {id: a, title: A, body: x, needs: [b]}\n  - {id: b, title: B}\n"


async def test_a_file_from_a_template_is_valid(tmp_path: Path) -> None:
    for name in shipped.TEMPLATES:
        code, out, err = await hubbub("workflow", "new", name, folder=tmp_path)
        assert (code, err) == (0, "")
        (tmp_path / f"{name}.yml").write_text(out)
        assert out == shipped.text(name)
    code, out, err = await hubbub("workflow", "check", "feature.yml", "review.yml", folder=tmp_path)
    assert (code, err) == (0, "")
    assert out.splitlines() == ["feature.yml: valid, 12 steps", "review.yml: valid, 4 steps"]


async def test_each_problem_has_its_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "one.yml").write_text(WRONG)
    (tmp_path / "Two.yml").write_text(WRONG)
    (tmp_path / "big.yml").write_bytes(b"#" * 300_000)
    files = ("one.yml", "Two.yml", "big.yml")
    code, out, _ = await hubbub("workflow", "check", *files, folder=tmp_path)
    assert code == 1
    assert out.splitlines() == [
        "one.yml: line 3: steps.b: has no body; say what to do",
        (
            "Two.yml: the file needs a name of 1 to 60 lower-case letters, digits and hyphens, and "
            ".yml"
        ),
        "big.yml: the file has 262145 bytes; the limit is 262144",
    ]


async def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    code, _, err = await hubbub("workflow", "check", "none.yml", folder=tmp_path)
    assert (code, "cannot read none.yml: No such file or directory." in err) == (2, True)
    code, _, err = await hubbub("workflow", "new", "castle", folder=tmp_path)
    assert (code, "there is no template 'castle'" in err) == (2, True)
    assert "bug-fix: a failing test first" in err
