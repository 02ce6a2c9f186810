"""What a command shows of a refusal that the server sent."""

from bot.errors import Refused, refusal_in

NOTICE = {"kind": "hold", "subject": "acme/rocket#3", "message": "@octocat put it on hold."}


def test_a_refusal_of_the_server_keeps_the_notices_that_came_with_it() -> None:
    sent = Refused("unknown_task", "There is no such task.", task="acme/rocket#9")
    sent.notices = [NOTICE]
    received = refusal_in(sent.body())
    assert received is not None
    assert received.body() == sent.body()
    assert received.body()["notices"] == [NOTICE]


def test_an_answer_of_a_gateway_is_no_refusal() -> None:
    assert refusal_in({"error": "Bad Gateway"}) is None
    assert refusal_in("<html>") is None
