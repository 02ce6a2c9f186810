"""Run it with `hubbub plugin test`."""

import sys
from pathlib import Path
from unittest import IsolatedAsyncioTestCase, TestCase, main

from hubbub.testing import open_harness

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
import owners  # noqa: E402

CODEOWNERS = """\
# Everything
*            @lead
*.js         @web  # in all folders
/docs/       docs@example.com
docs/*       @writer
apps/**/test @tester
/build/logs/ @ops @acme/ops
/free
"""


class OwnersTest(TestCase):
    def test_the_last_rule_that_fits_counts(self):
        rules = owners.parse(CODEOWNERS)
        expected = {
            "README": ["@lead"],
            "deep/below/a.js": ["@web"],
            "docs/a.md": ["@writer"],
            "docs/deep/a.md": ["docs@example.com"],
            "other/docs/a.md": ["@lead"],
            "apps/test": ["@tester"],
            "apps/one/two/test/a": ["@tester"],
            "build/logs/one.txt": ["@ops", "@acme/ops"],
            "free/a": [],
        }
        self.assertEqual({path: owners.of(rules, path) for path in expected}, expected)


class RoutingTest(IsolatedAsyncioTestCase):
    async def test_owners_are_on_the_card_and_are_asked_once(self):
        async with open_harness(HERE, {"ask": True, "most": 1}, github=True) as harness:
            here = harness.workspace
            here.github.person("web", permissions={"acme/rocket": "write"})
            text = "* @octocat\n*.js @web\n"
            here.person.push(here.repository, "main", {".github/CODEOWNERS": text})
            ada, task = await harness.agent("ada"), await harness.task()
            await harness.pull(ada, task, **{"a.js": "1", "lib/b.js": "2", "README": "3"})
            # The file was read from GitHub in between.
            issue = here.repository.issues[int(task.partition("#")[2])]
            here.person.comment(issue, "Who looks at it?")
            await harness.settle()
            found = await harness.call("find_owners", task=task)
            self.assertEqual(found["owners"], {"@web": 2, "@octocat": 1})
            self.assertEqual(found["files"]["lib/b.js"], ["@web"])
            self.assertIn("3 changed files of @web, @octocat", issue.comments[0].body)
            pull = next(iter(here.repository.pulls.values()))
            self.assertEqual([each.login for each in pull.requested_reviewers], ["web"])


if __name__ == "__main__":
    main()
