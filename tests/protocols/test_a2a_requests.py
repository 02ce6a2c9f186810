"""What Hubbub's A2A endpoint answers to requests of every kind, right and wrong."""

import base64
import io
import json
from typing import Any

import orjson
import pytest

from bot.protocols.a2a import remote_tasks, requests, sending
from bot.protocols.a2a.errors import RpcError
from tests.support.server_in_process import Answer, Surface

MESSAGE = {"messageId": "m-1", "role": "ROLE_USER", "parts": [{"text": "Mend it"}]}


async def post(surface: Surface, body: bytes | str | dict[str, Any], **headers: str) -> Answer:
    token = await surface.token()
    content = json.dumps(body) if isinstance(body, dict) else body
    sent = io.BytesIO(content.encode() if isinstance(content, str) else content)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named = {"A2A-Version": "1.0", "Authorization": f"Bearer {token}"} | named
    return await surface.send("POST", "/a2a/v1", data=sent, headers=named)


def call(method: str, params: Any = None, **changed: Any) -> dict[str, Any]:
    found = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params} | changed
    return {name: value for name, value in found.items() if value is not None or name == "params"}


def message(**changed: Any) -> dict[str, Any]:
    return call("SendMessage", {"message": MESSAGE | changed})


# A body, and the code of the error and of the request in the answer.
WRONG: list[tuple[Any, int, Any]] = [
    ("{", -32700, None),
    ("\x00", -32700, None),
    ("[" * 5000, -32700, None),
    ('{"jsonrpc":"2.0","id":1,"method":"GetTask","params":{"id":NaN}}', -32700, None),
    ("[]", -32600, None),
    ('"text"', -32600, None),
    ({"jsonrpc": "1.0", "id": 1, "method": "GetTask"}, -32600, 1),
    ({"jsonrpc": "2.0", "id": 1, "method": 7}, -32600, 1),
    ({"jsonrpc": "2.0", "method": "GetTask"}, -32600, None),
    ({"jsonrpc": "2.0", "id": True, "method": "GetTask"}, -32600, None),
    ({"jsonrpc": "2.0", "id": {}, "method": "GetTask"}, -32600, None),
    (call("Dance"), -32601, 1),
    (call("tasks/get", {"id": "x"}), -32601, 1),
    (call("GetTask"), -32602, 1),
    (call("GetTask", [1]), -32602, 1),
    (call("GetTask", {"id": "x" * 201}), -32602, 1),
    (call("GetTask", {"id": ["x"]}), -32602, 1),
    (call("GetTask", {"id": "t", "historyLength": -1}), -32602, 1),
    (call("GetTask", {"id": "t", "tenant": "no such"}), -32602, 1),
    (call("ListTasks", {"pageSize": 0}), -32602, 1),
    (call("ListTasks", {"pageSize": 101}), -32602, 1),
    (call("ListTasks", {"pageToken": "wrong"}), -32602, 1),
    (call("ListTasks", {"status": "TASK_STATE_HAPPY"}), -32602, 1),
    (call("SubscribeToTask", {}), -32602, 1),
    (message(parts=[]), -32602, 1),
    (message(parts=[{"text": " "}]), -32602, 1),
    (message(parts=[{"filename": "x"}]), -32602, 1),
    (message(role="ROLE_AGENT"), -32602, 1),
    (message(messageId=""), -32602, 1),
    (message(contextId="m_0123456789abcdefghij"), -32602, 1),
    (message(contextId="x", taskId="t_0123456789abcdefghij"), -32001, 1),
    (message(contextId="x", metadata={"hubbub": {"to": "ada"}}), -32602, 1),
    (message(metadata={"hubbub": 7}), -32602, 1),
    (message(metadata={"hubbub": {"repository": "acme/nowhere"}}), -32602, 1),
    (message(metadata={"hubbub": {"repository": "acme/web", "colour": "red"}}), -32602, 1),
    (message(), -32602, 1),
    (message(taskId="t_0123456789abcdefghij"), -32001, 1),
    (call("CancelTask", {"id": "acme/web#1"}), -32001, 1),
    (call("CreateTaskPushNotificationConfig", {"taskId": "x"}), -32003, 1),
]


async def test_wrong_requests_get_the_errors_of_the_specification(sqlite_surface: Surface) -> None:
    for body, code, number in WRONG:
        answer = await post(sqlite_surface, body)
        assert answer.status == 200
        assert answer.data["jsonrpc"] == "2.0"
        assert answer.data["id"] == number, body
        error = answer.data["error"]
        assert error["code"] == code, (body, error)
        assert error["message"]
        assert error["data"][0]["@type"] == "type.googleapis.com/google.rpc.ErrorInfo"


@pytest.mark.parametrize(
    ("version", "method", "works"),
    [
        ("1.0", "ListTasks", True),
        ("1.0.7", "ListTasks", True),
        ("1.1", "ListTasks", False),
        ("2.0", "ListTasks", False),
        ("x" * 500, "ListTasks", False),
        ("", "ListTasks", False),
        ("", "tasks/get", True),
        ("0.3", "tasks/get", True),
        ("0.2", "tasks/get", False),
    ],
)
def test_a_version_is_its_major_and_minor_number(version: str, method: str, *, works: bool) -> None:
    body = json.dumps(call(method, {})).encode()
    if works:
        requests.read_rpc(body, version)
    else:
        with pytest.raises(RpcError, match=r"A2A-Version: 1\.0") as caught:
            requests.read_rpc(body, version)
        assert caught.value.code == -32009


async def test_the_version_may_be_a_parameter_of_the_address(sqlite_surface: Surface) -> None:
    headers = {"Authorization": f"Bearer {await sqlite_surface.token()}"}
    answer = await sqlite_surface.send(
        "POST", "/a2a/v1?A2A-Version=1.0", json=call("ListTasks", {}), headers=headers
    )
    assert answer.data["result"] == {
        "tasks": [],
        "nextPageToken": "",
        "pageSize": 50,
        "totalSize": 0,
    }


async def test_a_stranger_learns_where_to_log_in_and_a_body_is_bounded(
    sqlite_surface: Surface,
) -> None:
    answer = await post(sqlite_surface, call("ListTasks"), Authorization="Bearer wrong")
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    large = message(parts=[{"text": "x" * 2**20}])
    assert (await post(sqlite_surface, large)).status == 413


async def test_methods_and_shapes_of_0_3_work(sqlite_surface: Surface) -> None:
    await sqlite_surface.call(
        await sqlite_surface.token("worker"), "register_agent", agent_id="worker", name="W"
    )
    await sqlite_surface.call(
        await sqlite_surface.token(), "register_agent", agent_id="ada", name="A"
    )
    old = {
        "kind": "message",
        "messageId": "m-1",
        "role": "user",
        "parts": [{"kind": "text", "text": "Hello"}, {"kind": "data", "data": {"a": 1}}],
        "metadata": {"hubbub": {"to": "worker"}},
    }
    answer = await post(sqlite_surface, call("message/send", {"message": old}), A2A_Version="")
    result = answer.data["result"]
    assert (result["kind"], result["role"]) == ("message", "agent")
    assert result["parts"][0]["kind"] == "text"
    answer = await post(sqlite_surface, call("tasks/get", {"id": "x"}), A2A_Version="0.3")
    assert answer.data["error"]["code"] == -32001
    answer = await post(
        sqlite_surface, call("tasks/pushNotificationConfig/get", {"id": "x"}), A2A_Version="0.3"
    )
    assert answer.data["error"]["code"] == -32003


async def test_cards_say_nothing_of_any_installation(sqlite_surface: Surface) -> None:
    answer = await sqlite_surface.send("GET", "/.well-known/agent-card.json")
    card = answer.data
    assert (await sqlite_surface.send("GET", "/.well-known/agent.json")).data == card
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert [each["id"] for each in card["skills"]] == ["task", "message"]
    assert card["supportedInterfaces"][0] == {
        "url": f"{sqlite_surface.url}/a2a/v1",
        "protocolBinding": "JSONRPC",
        "protocolVersion": "1.0",
    }
    same = {"If-None-Match": answer.headers["ETag"]}
    again = await sqlite_surface.send("GET", "/.well-known/agent-card.json", headers=same)
    assert again.status == 304
    path = "/a2a/repositories/acme/secret/.well-known/agent-card.json"
    answer = await sqlite_surface.send("GET", path)
    assert answer.data["supportedInterfaces"][0]["tenant"] == "acme/secret"
    wrong = await sqlite_surface.send("GET", "/a2a/agents/No%20Body/.well-known/agent-card.json")
    assert wrong.status == 400


# google/adk-python#4676
@pytest.mark.parametrize(
    "metadata",
    [
        {"adk_thought": True},
        {"kagent_thought": "true"},
        {"is_thought": True},
        {"thought": True},
        {"adk_type": "function_call"},
        {"a2a/type": "function_response"},
    ],
)
def test_what_an_agent_thought_or_called_is_no_part_of_its_answer(metadata: dict[str, Any]) -> None:
    inner = [
        {"text": "Let me think.", "metadata": metadata},
        {"data": {"name": "search"}, "metadata": metadata},
    ]
    parts = [*inner, {"text": "Done.", "metadata": {"adk_thought": False}}, {"data": {"n": 1}}]
    status = {"state": "TASK_STATE_COMPLETED", "message": {"parts": inner}}
    task = {"id": "t", "status": status, "artifacts": [{"parts": parts}]}
    found = remote_tasks.read_task(task)
    assert found.artifacts == ('Done.\n\n```json\n{\n  "n": 1\n}\n```',)
    assert (found.said, found.values) == ("", {"n": 1})


@pytest.mark.parametrize("raw", ["+/8=", "-_8=", "-_8", "+/8"])
def test_bytes_are_read_in_each_form_of_base64(raw: str) -> None:
    """The JSON of Protocol Buffers has all of them."""
    parts = [{"text": "Look"}, {"raw": raw, "filename": "a.bin"}]
    given = {"message": MESSAGE | {"parts": parts}}
    (call_,) = sending.files_of(sending.read(requests.params_of(requests.SendMessage, given)))
    assert base64.b64decode(call_.arguments["base64"], validate=True) == b"\xfb\xff"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (0, None),
        ("TASK_STATE_UNSPECIFIED", None),
        (2, "TASK_STATE_WORKING"),
        (6, "TASK_STATE_INPUT_REQUIRED"),
        ("TASK_STATE_FAILED", "TASK_STATE_FAILED"),
    ],
)
def test_a_state_may_be_its_number(given: Any, meant: str | None) -> None:
    assert requests.params_of(requests.ListTasks, {"status": given}).status == meant


def test_parts_become_one_text() -> None:
    parts = [
        {"text": "Look"},
        {"url": "https://example.com/a.log", "filename": "a.log"},
        {"data": {"b": [1]}},
    ]
    params = requests.params_of(
        requests.SendMessage, {"message": MESSAGE | {"parts": parts, "unknown": 1}}
    )
    text = 'Look\n\na.log: https://example.com/a.log\n\n```json\n{\n  "b": [\n    1\n  ]\n}\n```'
    assert sending.read(params).text == text


def data_part(levels: int, leaf: str) -> dict[str, Any]:
    return {"data": orjson.loads("[" * levels + leaf + "]" * levels)}


def test_data_grows_little_when_it_becomes_a_text() -> None:
    """With an indent for each level, 200 kB would be 160 MB."""
    part = data_part(90, ",".join(["0"] * 50_000))
    params = requests.params_of(requests.SendMessage, {"message": MESSAGE | {"parts": [part]}})
    assert len(sending.read(params).text) < 200_000
    deep = data_part(900, "0")
    params = requests.params_of(requests.SendMessage, {"message": MESSAGE | {"parts": [deep]}})
    with pytest.raises(RpcError, match="nested more than 100 levels"):
        sending.read(params)
    parts = [{"text": "Done.\0"}, deep]
    assert remote_tasks.text_of(parts) == "Done.\n\n(data that is nested too deeply)"
