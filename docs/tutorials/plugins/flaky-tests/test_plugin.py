"""Run it with `hubbub plugin test`."""

from pathlib import Path
from unittest import IsolatedAsyncioTestCase, main

from hubbub.testing import open_harness

HERE = Path(__file__).parent
REPOSITORY = "acme/rocket"


class FlakyTest(IsolatedAsyncioTestCase):
    async def test_a_flaky_check_is_counted_shown_and_gets_one_task(self):
        settings = {"threshold": 2, "ignore": ["lint"]}
        async with open_harness(HERE, settings, github=True) as harness:
            here, ada = harness.workspace, await harness.agent("ada")

            async def check(pull, name, *conclusions):
                sha = here.repository.pulls[int(pull.partition("#")[2])].head_sha
                for each in conclusions:
                    run = here.github.ci.start_check(here.repository, sha, name)
                    here.github.ci.finish_check(run, each)
                    await harness.settle()

            one = await harness.task("One")
            pull = await harness.pull(ada, one)
            await check(pull, "unit", "failure", "success", "failure", "success")
            await check(pull, "lint", "failure", "success")
            await check(pull, "build", "failure")
            given = {"repository": REPOSITORY}
            [flaky] = (await harness.call("list_flaky", **given))["checks"]
            self.assertEqual((flaky["check"], flaky["commits"], flaky["task"]), ("unit", 1, None))
            card = harness.card(one)
            self.assertIn("unit is flaky: it failed and then passed on 1 commit", card)

            for title in ("Two", "Three"):
                pull = await harness.pull(ada, await harness.task(title))
                await check(pull, "unit", "failure", "success")
            [flaky] = (await harness.call("list_flaky", **given))["checks"]
            self.assertEqual(flaky["commits"], 3)
            titles = [each.title for each in here.repository.issues.values()]
            self.assertEqual(titles.count("Flaky check: unit"), 1)
            self.assertTrue(flaky["task"])
            with self.assertRaisesRegex(Exception, "unknown"):
                await harness.call("list_flaky", repository="acme/unknown")


if __name__ == "__main__":
    main()
