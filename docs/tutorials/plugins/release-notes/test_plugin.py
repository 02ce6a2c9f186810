"""Run it with `hubbub plugin test`."""

from pathlib import Path
from unittest import IsolatedAsyncioTestCase, main

from hubbub.testing import open_harness

HERE = Path(__file__).parent
REPOSITORY = "acme/rocket"


class NotesTest(IsolatedAsyncioTestCase):
    async def test_completed_tasks_are_grouped_by_label_with_their_pull_requests(self):
        settings = {"repositories": [REPOSITORY, "acme/unknown"]}
        async with open_harness(HERE, settings, github=True) as harness:
            here = harness.workspace
            ada = await harness.agent("ada")
            fixed = await harness.task("Mend the *horn* of @octocat", "bug")
            pull = await harness.pull(ada, fixed)
            here.person.merge(here.repository.pulls[int(pull.partition("#")[2])])
            await harness.settle()
            other = await harness.task("Tidy up")
            here.person.close(here.repository.issues[int(other.partition("#")[2])])
            await harness.settle()

            notes = await harness.call("draft_notes", repository=REPOSITORY)
            self.assertEqual(
                notes["markdown"],
                f"## Fixed\n\n- Mend the \\*horn\\* of @\u200boctocat ({fixed}, {pull})\n\n"
                f"## Other changes\n\n- Tidy up ({other})\n",
            )
            shown = await harness.panel("draft")
            self.assertTrue(shown.startswith(f"# {REPOSITORY}, since "))
            self.assertNotIn("unknown", shown)

            given = {"repository": REPOSITORY}
            await harness.call("mark_release", **given, name="v1")
            await harness.call("draft_notes", **given, since="v1")
            later = await harness.call("draft_notes", **given, since="2099-01-31")
            self.assertEqual(later["markdown"], "No task was completed.\n")
            with self.assertRaisesRegex(Exception, "v1 is marked already"):
                await harness.call("mark_release", **given, name="v1")
            with self.assertRaisesRegex(Exception, "It knows v1"):
                await harness.call("draft_notes", **given, since="v2")


if __name__ == "__main__":
    main()
