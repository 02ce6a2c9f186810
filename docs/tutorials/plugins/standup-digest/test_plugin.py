"""Run it with `hubbub plugin test`."""

from pathlib import Path
from unittest import IsolatedAsyncioTestCase, main

from hubbub.testing import open_harness

HERE = Path(__file__).parent


class DigestTest(IsolatedAsyncioTestCase):
    async def test_a_day_is_shown_and_sent_once_it_is_over(self):
        settings = {"send_to": "reader"}
        async with open_harness(HERE, settings, github=True) as harness:
            ada, reader = await harness.agent("ada"), await harness.agent("reader")
            done, asked = await harness.task("Mend *it*"), await harness.task("Ask")
            fence = (await harness.call_as(ada, "claim_task", task=done))["fence"]
            mine = {"task": done, "fence": fence}
            await harness.call_as(ada, "update_task_status", **mine, status="completed")
            fence = (await harness.call_as(ada, "claim_task", task=asked))["fence"]
            mine = {"task": asked, "fence": fence}
            await harness.call_as(
                ada, "update_task_status", **mine, status="in_progress", question="Which?"
            )
            await harness.settle()

            shown = await harness.call("get_digest")
            begun = f"- {done}: Mend \\*it\\*, by ada"
            self.assertIn(f"## Completed\n\n{begun}\n", shown["markdown"])
            self.assertIn(f"## Questions\n\n- {asked}: Ask, by ada", shown["markdown"])
            self.assertIn("## Begun", shown["markdown"])
            self.assertEqual(shown["days"], [shown["day"]])
            with self.assertRaisesRegex(Exception, "as in 2026-01-31"):
                await harness.call("get_digest", day="today")

            harness.clock.forward(24 * 3600)
            await harness.task("Another day")
            await harness.call_as(ada, "claim_task", task="acme/rocket#3")
            await harness.settle()
            found = (await harness.call_as(reader, "get_messages"))["messages"]
            self.assertEqual([each["sender"] for each in found], ["plugin/standup-digest"])
            self.assertIn(shown["day"], found[0]["body"])
            self.assertEqual(len((await harness.call("get_digest"))["days"]), 2)


if __name__ == "__main__":
    main()
