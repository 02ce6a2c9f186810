from bot.github.patches import hunks, line_ranges, numbered_lines

PATCH = """\
@@ -1,3 +1,4 @@ def start():
 import engine
-engine.go()
+engine.check()
+engine.go()
 print("up")
@@ -20,2 +21,1 @@
-old
 last
\\ No newline at end of file"""


def test_each_line_of_a_patch_has_its_numbers_on_both_sides() -> None:
    first, second = hunks(PATCH)
    assert numbered_lines(first) == [
        "@@ -1,3 +1,4 @@ def start():",
        "1|1 import engine",
        "2|- engine.go()",
        "+|2 engine.check()",
        "+|3 engine.go()",
        '3|4 print("up")',
    ]
    assert numbered_lines(second) == ["@@ -20,2 +21,1 @@", "20|- old", "21|21 last"]


def test_a_review_comment_may_stand_on_the_lines_of_the_hunks_of_either_side() -> None:
    assert line_ranges(hunks(PATCH)) == {"LEFT": [(1, 3), (20, 21)], "RIGHT": [(1, 4), (21, 21)]}


def test_a_new_file_and_a_patch_without_a_hunk_are_read_too() -> None:
    assert line_ranges(hunks("@@ -0,0 +1 @@\n+only")) == {"LEFT": [], "RIGHT": [(1, 1)]}
    assert line_ranges(hunks("")) == {"LEFT": [], "RIGHT": []}
    assert hunks("Binary files differ") == []
    assert hunks(f"@@ -{'9' * 5000} +1 @@\n+no line has such a number") == []


def test_a_changed_line_that_looks_like_a_header_stays_a_line() -> None:
    (hunk,) = hunks("@@ -1 +1,2 @@\n @@ -5 +5 @@\n+@@ -9 +9 @@")
    assert [each.text for each in hunk.lines] == ["@@ -5 +5 @@", "@@ -9 +9 @@"]
