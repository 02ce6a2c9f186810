"""Run it with `hubbub plugin test`."""

import asyncio
from pathlib import Path
from unittest import IsolatedAsyncioTestCase, main

from hubbub.testing import open_harness

HERE = Path(__file__).parent


class RotaTest(IsolatedAsyncioTestCase):
    async def test_reviews_are_asked_for_in_turn(self):
        settings = {"reviewers": ["ada", "@octocat", "bob"]}
        async with open_harness(HERE, settings, github=True) as harness:
            ada, _, scout = [await harness.agent(each) for each in ("ada", "bob", "scout")]

            async def reviewers(author, title):
                before = (await harness.call("show_rota"))["reviews"]
                await harness.pull(author, await harness.task(title))
                after = (await harness.call("show_rota"))["reviews"]
                return [each for each in after if after[each] != before[each]]

            # The author is skipped, and gets the next one.
            self.assertEqual(await reviewers(ada, "One"), ["@octocat"])
            self.assertEqual(await reviewers(scout, "Two"), ["ada"])
            [asked] = (await harness.call_as(ada, "get_messages"))["messages"]
            self.assertIn("Please review acme/rocket#", asked["body"])
            pull = min(harness.workspace.repository.pulls.values(), key=lambda each: each.number)
            self.assertEqual([each.login for each in pull.requested_reviewers], ["octocat"])
            self.assertEqual(await reviewers(scout, "Three"), ["bob"])

            # Who is away is skipped, and does not have to catch up alone.
            await harness.call("set_away", who="@octocat")
            await harness.hubbub("manage_agent", agent_id="bob", action="pause")
            shown = await harness.call("show_rota")
            self.assertEqual((shown["next"], shown["away"]), (["ada"], ["@octocat", "bob"]))
            self.assertEqual(await reviewers(scout, "Four"), ["ada"])
            words = await harness.strategy("by_reviewer", "acme/rocket#1")
            self.assertIn("into at most 1 parts", words)
            await harness.call("set_away", who="@octocat", away=False)
            self.assertEqual((await harness.call("show_rota"))["next"], ["@octocat"])
            with self.assertRaisesRegex(Exception, "'eve' is not in the rota"):
                await harness.call("set_away", who="eve")

    async def test_two_processes_lose_no_change(self):
        async with open_harness(HERE, {"reviewers": ["ada", "bob", "eve"]}) as harness:
            names = ("ada", "bob", "eve")
            await asyncio.gather(*(harness.call("set_away", who=each) for each in names))
            shown = await harness.call("show_rota")
            self.assertEqual((shown["next"], sorted(shown["away"])), ([], sorted(names)))


if __name__ == "__main__":
    main()
