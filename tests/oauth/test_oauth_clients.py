"""OAuth clients: to which addresses a code may be sent, and clients of the settings."""

import pytest

from bot.identity.oauth.clients import Client, may_redirect, redirect_problem, registered_clients
from bot.settings import WrongSettings

REDIRECT = "http://127.0.0.1/callback"


@pytest.mark.parametrize(
    "uri",
    [
        "https://client.example/cb",
        "https://client.example:8443/cb?a=b",
        "http://127.0.0.1:33418/cb",
        "http://localhost/cb",
        "http://[::1]:5/cb",
        "cursor://anysphere.cursor-retrieval/oauth/cb",
        "com.example.tool:/cb",
    ],
)
def test_a_code_may_be_sent_to_https_to_this_computer_and_to_programs(uri: str) -> None:
    assert redirect_problem(uri) is None


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "/cb",
        "//client.example/cb",
        "http://client.example/cb",
        "http://127.0.0.1.client.example/cb",
        "http://127.0.0.2/cb",
        "https:///cb",
        "https://client.example;x/cb",
        "https://client.example,x/cb",
        "https://u@client.example/cb",
        "https://client.example/cb#x",
        "https://client.example/c b",
        "https://client.example/\ncb",
        'https://client.example/"',
        "https://client.example\\@evil.example/",
        "https://client.example:port/",
        "https://[::2]/cb",
        "https://\u2170.example/",
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:https://client.example/x",
        "https://client.example/" + "x" * 2000,
    ],
)
def test_a_code_is_never_sent_to_an_address_with_a_trick(uri: str) -> None:
    assert redirect_problem(uri)
    assert not may_redirect([uri], uri)


@pytest.mark.parametrize(
    ("allowed", "given", "may"),
    [
        ("https://c.example/cb", "https://c.example/cb", True),
        ("https://c.example/cb", "https://c.example/cb/", False),
        ("https://c.example/cb", "https://c.example/CB", False),
        ("https://c.example/cb", "https://c.example/cb?x=1", False),
        ("https://c.example/cb", "https://c.example:8443/cb", False),
        ("https://c.example/cb", "https://evil.example/cb", False),
        ("https://c.example/cb", "https://c.example/cb%2f..", False),
        ("http://127.0.0.1/cb", "http://127.0.0.1:5555/cb", True),
        ("http://127.0.0.1:7/cb", "http://127.0.0.1:5555/cb", True),
        ("http://localhost/cb", "http://localhost:5555/cb", True),
        ("http://[::1]/cb", "http://[::1]:5555/cb", True),
        # VS Code has written both.
        ("http://127.0.0.1:33418/", "http://127.0.0.1:33418", True),
        ("http://127.0.0.1", "http://127.0.0.1:5555/", True),
        ("http://127.0.0.1/cb", "http://127.0.0.1:5555/cb/", False),
        ("http://localhost/cb", "http://127.0.0.1:5555/cb", False),
        ("http://127.0.0.1/cb", "http://127.0.0.1:5555/other", False),
        ("http://127.0.0.1/cb", "http://127.0.0.1:5555/cb?x=1", False),
        ("http://127.0.0.1/cb", "https://127.0.0.1:5555/cb", False),
        ("http://127.0.0.1/cb", "http://127.0.0.1:99999/cb", False),
        ("cursor://x/cb", "cursor://x/cb", True),
        ("cursor://x/cb", "cursor://y/cb", False),
    ],
)
def test_a_redirect_address_is_compared_exactly_but_for_the_port_on_this_computer(
    allowed: str,
    given: str,
    may: bool,  # noqa: FBT001 - the expected answer
) -> None:
    assert may_redirect([allowed], given) is may


def test_clients_of_the_settings_may_have_several_redirect_addresses() -> None:
    found = registered_clients(f"a={REDIRECT} b=https://b.example/cb  a=https://a.example/cb")
    assert found == {
        "a": Client("a", "a", (REDIRECT, "https://a.example/cb")),
        "b": Client("b", "b", ("https://b.example/cb",)),
    }
    assert registered_clients("  ") == {}


@pytest.mark.parametrize(
    "setting", ["a", "a=", "=https://a.example", "a b=https://a.example", "a=http://a.example"]
)
def test_a_wrong_client_in_the_settings_is_named(setting: str) -> None:
    with pytest.raises(WrongSettings, match="HUBBUB_OAUTH_CLIENTS"):
        registered_clients(setting)
