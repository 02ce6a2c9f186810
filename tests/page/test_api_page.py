"""The page on which people read and try the operations."""

import re

from bot.operations import OPERATIONS
from tests.support.login import LoginServer
from webhooks.rest import document


async def test_the_page_of_the_api_needs_no_login_and_loads_only_files_of_this_server(
    server: LoginServer,
) -> None:
    page = await server.browser("octocat").open("/api/v1/docs")
    assert page.status == 200
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    loaded = re.findall(r'(?:src|href)="([^"#]+)"', page.text)
    assert {each.rpartition("/")[2] for each in loaded} >= {"swagger-ui-bundle.js", "api.js"}
    for each in loaded:
        found = await server.browser("octocat").open(each)
        assert each.startswith("/"), "a file of another server"
        assert found.status in (200, 303), each


def test_the_document_groups_the_operations_as_the_docs_do() -> None:
    paths = document()["paths"]
    groups = {path["post"]["operationId"]: path["post"]["tags"] for path in paths.values()}
    assert groups.keys() == OPERATIONS.keys()
    assert groups["claim_task"] == ["tasks"]
    assert groups["wait_for_events"] == ["events"]
    assert {len(each) for each in groups.values()} == {1}
