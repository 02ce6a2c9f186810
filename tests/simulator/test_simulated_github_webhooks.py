"""What the simulated GitHub posts to the App."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator

import pytest

from fixtures.github.webhook_delivery import signature
from tests.support.github_client import Acme, ReceivedWebhooks, listening


@pytest.fixture
async def received(acme: Acme) -> AsyncIterator[ReceivedWebhooks]:
    async with listening(acme) as found:
        yield found


async def test_webhooks_carry_githubs_headers_and_a_signature(
    acme: Acme, received: ReceivedWebhooks
) -> None:
    acme.ada.open_issue(acme.web, "Hi")
    await acme.github.wait_for_deliveries()
    headers, body = received[-1]
    secret = acme.github.app.webhook_secret.encode()
    assert headers["X-Hub-Signature-256"] == (
        "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()
    )
    delivery = acme.github.deliveries[-1]
    assert headers["X-GitHub-Event"] == delivery.event == "issues"
    assert headers["X-GitHub-Delivery"] == delivery.guid
    assert headers["X-GitHub-Hook-Installation-Target-ID"] == str(acme.github.app.id)
    assert headers["User-Agent"].startswith("GitHub-Hookshot/")
    payload = json.loads(body)
    assert payload["installation"]["id"] == acme.installation.id
    assert payload["sender"]["login"] == "ada"


def test_the_signature_of_githubs_published_example() -> None:
    assert signature("It's a Secret to Everybody", b"Hello, World!") == (
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    )


async def test_what_the_app_does_comes_back_as_its_own_webhook(
    acme: Acme, received: ReceivedWebhooks
) -> None:
    acme.ada.open_issue(acme.web, "Hi")
    await acme.call("POST", "/repos/acme/web/issues/1/comments", {"body": "Hello"})
    await acme.github.wait_for_deliveries()
    payload = json.loads(received[-1][1])
    assert payload["sender"]["login"] == acme.github.app.bot_login
    assert payload["sender"]["type"] == "Bot"
    assert payload["comment"]["performed_via_github_app"]["id"] == acme.github.app.id


async def test_a_redelivery_keeps_its_guid(acme: Acme, received: ReceivedWebhooks) -> None:
    await acme.github.wait_for_deliveries()
    log = await acme.as_app("GET", "/app/hook/deliveries")
    await acme.as_app("POST", f"/app/hook/deliveries/{log.data[0]['id']}/attempts")
    await acme.github.wait_for_deliveries()
    (first, body), (again, same) = received
    assert first["X-GitHub-Delivery"] == again["X-GitHub-Delivery"]
    assert body == same
    new, old = (await acme.as_app("GET", "/app/hook/deliveries")).data
    assert (new["guid"], new["redelivery"]) == (old["guid"], True)
    assert new["id"] > old["id"]
    assert acme.github.violations == []


async def test_a_failed_delivery_is_found_by_its_status(acme: Acme) -> None:
    acme.github.app.webhook_url = "http://127.0.0.1:9/nobody"
    await acme.github.wait_for_deliveries()
    failed = await acme.as_app("GET", "/app/hook/deliveries?status=failure")
    assert [each["event"] for each in failed.data] == ["installation"]
    assert (await acme.as_app("GET", "/app/hook/deliveries?status=success")).data == []


async def test_held_deliveries_go_out_by_hand_and_when_released(
    acme: Acme, received: ReceivedWebhooks
) -> None:
    await acme.github.wait_for_deliveries()
    acme.github.hold_deliveries()
    for title in ("One", "Two", "Three"):
        acme.ada.open_issue(acme.web, title)
    three = acme.github.held_deliveries[2]
    assert [await acme.github.post(three) for _ in range(2)] == [202, 202]
    acme.github.release_deliveries()
    await acme.github.wait_for_deliveries()
    titles = [json.loads(body)["issue"]["title"] for _, body in received[1:]]
    assert titles == ["Three", "Three", "One", "Two"]


async def test_a_merge_closes_the_issues_it_fixes(acme: Acme, received: ReceivedWebhooks) -> None:
    fixed = acme.ada.open_issue(acme.web, "Broken")
    named = acme.ada.open_issue(acme.web, "Only named")
    acme.ada.push(acme.web, "fix", {"a.py": "1\n"})
    pull = acme.ada.open_pull(acme.web, title="Fix", head="fix", body="Fixes #1, see #2")
    await acme.github.wait_for_deliveries()
    received.clear()
    acme.ada.merge(pull)
    assert (pull.is_merged, pull.state) == (True, "closed")
    assert (fixed.state, fixed.state_reason) == ("closed", "completed")
    assert named.state == "open"
    await acme.github.wait_for_deliveries()
    told = [(h["X-GitHub-Event"], json.loads(body).get("action")) for h, body in received]
    assert told == [("push", None), ("pull_request", "closed"), ("issues", "closed")]
    assert json.loads(received[1][1])["pull_request"]["merged"] is True


async def test_a_lost_delivery_is_logged_as_failed_and_comes_when_asked_for_again(
    acme: Acme, received: ReceivedWebhooks
) -> None:
    await acme.github.wait_for_deliveries()
    received.clear()
    acme.github.lose_deliveries(1)
    acme.ada.open_issue(acme.web, "Lost")
    acme.github.lose_deliveries(0)
    await acme.github.wait_for_deliveries()
    assert received == []
    (lost,) = (await acme.as_app("GET", "/app/hook/deliveries?status=failure")).data
    assert (lost["event"], lost["action"], lost["status_code"]) == ("issues", "opened", 502)
    assert lost["status"] == "failed to connect to host"
    whole = (await acme.as_app("GET", f"/app/hook/deliveries/{lost['id']}")).data
    assert whole["request"]["headers"]["X-GitHub-Event"] == "issues"
    assert whole["request"]["payload"]["issue"]["title"] == "Lost"
    await acme.as_app("POST", f"/app/hook/deliveries/{lost['id']}/attempts")
    await acme.github.wait_for_deliveries()
    assert [each[0]["X-GitHub-Delivery"] for each in received] == [lost["guid"]]
    assert acme.github.violations == []


async def test_the_same_share_with_the_same_seed_loses_the_same_deliveries(
    acme: Acme, received: ReceivedWebhooks
) -> None:
    await acme.github.wait_for_deliveries()
    fates = []
    for _ in range(2):
        first = len(acme.github.deliveries)
        acme.github.lose_deliveries(0.3, seed=7)
        for _ in range(100):
            acme.ada.open_issue(acme.web, "Perhaps")
        await acme.github.wait_for_deliveries()
        fates.append([each.status for each in acme.github.deliveries[first:]])
    assert fates[0] == fates[1]
    assert 15 < fates[0].count("failed to connect to host") < 45
    assert len(received) == 1 + fates[0].count("OK") * 2


async def test_a_long_log_of_deliveries_is_walked_by_its_cursor(acme: Acme) -> None:
    acme.github.lose_deliveries(1)
    issue = acme.ada.open_issue(acme.web, "Talk")
    for _ in range(250):
        acme.ada.comment(issue, "Again")
    found, path = [], "/app/hook/deliveries?per_page=100"
    while path:
        answer = await acme.as_app("GET", path)
        found += [each["id"] for each in answer.data]
        path = answer.headers.get("Link", "").partition("<")[2].partition(">")[0]
    lost = [each.id for each in acme.github.deliveries if each.status_code]
    assert found == lost[::-1]
    assert len(found) == 251
    assert acme.github.violations == []
