"""What a profile may use of what the operator gave, and what each adapter makes of the rounds before."""

import httpx
import msgspec
import pytest

from app.agents.types import Adapter
from app.delivery.gateway.registry import Gateways
from app.delivery.gateway.rounds import taking_over
from app.delivery.types.runs import Ask, Exchange, FailureClass, GatewayError, Profile, ToolCall, ToolResult
from tests import boards
from tests.delivery.gateway.kit import ASK, CALLER

SETTINGS = {
    Adapter.RESPONSES: {},
    Adapter.CHAT: {"model": "m-1"},
    Adapter.PROCESS: {"command": "crew"},
    Adapter.MCP: {"tool": "ask"},
    Adapter.SCRIPTED: {},
}
OUTSIDE = {
    "OPENCLAW_GATEWAY_URL": "https://own.example/base",
    "OPENCLAW_GATEWAY_TOKEN": "of-own",
    "CALLBOARD_GATEWAY_ORIGINS": "https://chat.example=CHAT_TOKEN, https://open.example, https://lost.example=LOST_TOKEN",
    "CHAT_TOKEN": "of-chat",
}


@pytest.fixture(scope="module")
async def gateways():
    async with httpx.AsyncClient() as client:
        yield Gateways(client, boards.settings_for("postgresql://host/none", **OUTSIDE))


def profile(adapter=Adapter.RESPONSES, url=None, **settings):
    return Profile(name="p", adapter=adapter, url=url, settings=SETTINGS[adapter] | settings)


def said(gateways, ask, wanted):
    return gateways.of(wanted.adapter).encode(ask, profile=wanted, caller=CALLER).decode()


def round_trips(count):
    return tuple(
        Exchange(
            text=f"I look {number}.",
            calls=(ToolCall(f"c{number}", "next", "{}"),),
            results=(ToolResult(call_id=f"c{number}", name="next", output=f"Result {number}."),),
        )
        for number in range(count)
    )


def test_every_adapter_is_there(gateways):
    for adapter in Adapter:
        assert gateways.of(adapter).read


@pytest.mark.parametrize(
    ("url", "token"),
    [
        (None, "of-own"),
        ("https://own.example/elsewhere", "of-own"),
        ("https://OWN.example:443", "of-own"),
        ("http://own.example", None),
        ("https://own.example:444", None),
        ("https://chat.example/v1", "of-chat"),
        ("https://open.example", None),
        ("https://other.example", None),
        ("https://chat.example.other.example", None),
        ("https://chat.example@other.example", None),
    ],
)
def test_a_token_goes_to_its_own_origin_and_nowhere_else(gateways, url, token):
    assert gateways.token(gateways.resolved(profile(url=url))) == token


def test_a_token_that_is_not_there_is_named_and_nothing_is_sent(gateways):
    with pytest.raises(GatewayError) as caught:
        gateways.token(profile(url="https://lost.example"))
    assert (caught.value.failure, caught.value.may_have_arrived) == (FailureClass.AUTH, False)
    assert "LOST_TOKEN" in caught.value.message


def test_a_profile_without_an_address_has_the_environments(gateways):
    assert gateways.resolved(profile()).url == "https://own.example/base"
    with pytest.raises(GatewayError):
        gateways.resolved(profile(Adapter.CHAT))
    assert gateways.resolved(profile(Adapter.SCRIPTED)).url is None


def test_the_breaker_knows_origins_commands_and_scripts(gateways):
    assert gateways.dependency(profile(url="https://Chat.example/v1/x")) == "https://chat.example:443"
    assert gateways.dependency(profile(Adapter.PROCESS)) == "process:crew"
    assert gateways.dependency(profile(Adapter.SCRIPTED)) == "scripted:p"


def test_who_remembers_is_told_the_last_results_alone(gateways):
    ask = msgspec.structs.replace(ASK, exchanges=round_trips(2))
    body = msgspec.json.decode(said(gateways, ask, profile()))
    assert body["input"] == [{"type": "function_call_output", "call_id": "c1", "output": "Result 1."}]
    assert (body["user"], body["tools"][0]["name"], body["tools"][0]["type"]) == (CALLER.session_key, "task_status", "function")


def test_who_takes_over_is_told_everything(gateways):
    ask = msgspec.structs.replace(ASK, exchanges=round_trips(2))
    for adapter in (Adapter.RESPONSES, Adapter.CHAT, Adapter.PROCESS, Adapter.MCP):
        wanted = profile(adapter, history="last") if adapter is not Adapter.CHAT else profile(adapter, history="last", model="m")
        told, all_of_it = said(gateways, ask, wanted), said(gateways, ask, taking_over(wanted))
        assert "Result 1." in told
        assert "Result 0." not in told
        assert all(words in all_of_it for words in ("Hello", "Result 0.", "Result 1.", "c0"))


def test_a_chat_is_told_all_messages_in_their_order(gateways):
    ask = msgspec.structs.replace(ASK, exchanges=round_trips(1))
    body = msgspec.json.decode(said(gateways, ask, profile(Adapter.CHAT)))
    call = {"id": "c0", "type": "function", "function": {"name": "next", "arguments": "{}"}}
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello \u00e9"},
        {"role": "assistant", "content": "I look 0.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c0", "content": "Result 0."},
    ]
    assert body["tools"][0]["function"]["name"] == "task_status"


def test_tools_are_offered_only_where_they_reach_the_model(gateways):
    offers = {
        (Adapter.RESPONSES, "tools", False): False,
        (Adapter.RESPONSES, "tools", True): True,
        (Adapter.CHAT, "tools", False): False,
        (Adapter.PROCESS, "input", "text"): False,
        (Adapter.PROCESS, "input", "json"): True,
        (Adapter.MCP, "input", "text"): False,
        (Adapter.MCP, "input", "json"): True,
    }
    for (adapter, name, value), expected in offers.items():
        wanted = profile(adapter, **{name: value})
        assert gateways.of(adapter).offers_tools(wanted) is expected
        assert ("task_status" in said(gateways, ASK, wanted)) is expected


def test_settings_that_are_wrong_are_a_refusal_that_says_so(gateways):
    for adapter in Adapter:
        with pytest.raises(GatewayError) as caught:
            said(gateways, ASK, profile(adapter, nonsense=True))
        assert (caught.value.failure, caught.value.may_have_arrived) == (FailureClass.REFUSED, False)
        assert "nonsense" in caught.value.message


def test_a_script_answers_by_type_round_and_agent(gateways):
    call = {"name": "task_status", "arguments": {"task_id": "$task_id", "status": "review"}}
    steps = [
        {"on": "assignment", "round": 0, "calls": [call]},
        {"on": "assignment", "round": 1, "text": "Moved."},
        {"agent": "tester", "text": "For me."},
    ]
    scripted, wanted = gateways.of(Adapter.SCRIPTED), profile(Adapter.SCRIPTED, steps=steps)

    def step(**fields):
        line = msgspec.json.decode(scripted.encode(msgspec.structs.replace(ASK, **fields), profile=wanted, caller=CALLER))
        return line["answer"]

    task_id = "00000000-0000-0000-0000-000000000007"
    (called,) = step(about="assignment", task_id=task_id)["tool_calls"]
    assert called["arguments"] == {"task_id": task_id, "status": "review"}
    assert step(about="assignment", exchanges=round_trips(1))["text"] == "Moved."
    assert step(about="mention")["text"] == "For me."
    other = scripted.encode(ASK, profile=wanted, caller=msgspec.structs.replace(CALLER, agent_slug="other"))
    assert msgspec.json.decode(other)["answer"]["text"] == "NO_REPLY"


def test_an_ask_of_an_older_version_is_still_read():
    frozen = msgspec.json.encode({"instructions": "a", "input": "b"})
    assert msgspec.json.decode(frozen, type=Ask).exchanges == ()
