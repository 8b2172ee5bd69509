"""`client_tool` and the book of calls, without a server."""

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import BaseModel
from strands.interrupt import Interrupt
from temporalio.exceptions import ApplicationError

from strands_temporal import AgentTypeError, AgentValueError, ClientTools
from strands_temporal._workflow.client_call_book import CallBook
from strands_temporal._workflow.json_schemas import output_schema_of
from strands_temporal.workflow import client_tool, is_client_call

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


class Place(BaseModel):
    city: str


def take_photo(place: Place, count: int = 1) -> list[str]:
    """Take photos.

    Args:
        place: Where.
        count: How many.
    """
    raise NotImplementedError


def test_a_stub_gives_name_description_schema_and_type_of_the_result() -> None:
    tool = client_tool(take_photo)
    spec: Any = tool.tool_spec
    assert (tool.tool_name, spec["description"], tool.tool_type) == ("take_photo", "Take photos.", "client")
    assert spec["inputSchema"]["json"]["properties"]["count"]["description"] == "How many."
    assert output_schema_of("", list[str]) == {"type": "array", "items": {"type": "string"}}


def test_as_a_decorator_with_other_names() -> None:
    @client_tool(name="look", description="Look around.", deadline=timedelta(seconds=5))
    def anything() -> None: ...

    assert (anything.tool_name, anything.tool_spec["description"]) == ("look", "Look around.")


def test_a_pydantic_model_is_a_schema() -> None:
    tool = client_tool("go", "Go somewhere.", Place, output_schema=Place)
    assert tool.tool_spec["inputSchema"]["json"]["required"] == ["city"]


class StandInClient:
    def get_workflow_handle(self, workflow_id: str) -> None:
        """Only its methods would be used."""


def takes_anything(**given: Any) -> Any:
    return given


def takes_agent(agent: str) -> str:
    return agent


REFUSED: list[tuple[tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
    ((7,), {}, AgentTypeError, "neither a function nor a name"),
    (("go", "Go.", {"type": "string"}), {}, AgentValueError, "arguments are an object"),
    (("go", "Go.", {"type": "nonsense"}), {}, AgentValueError, "not a valid JSON schema"),
    (("go", "Go.", {"$ref": "https://example.org/s"}), {}, AgentValueError, "loads no schemas"),
    (("go", "Go.", 7), {}, AgentTypeError, "not a JSON schema"),
    (("go", "", {}), {}, AgentValueError, "needs a description"),
    (("a b", "Go.", {}), {}, AgentValueError, "letters, digits"),
    ((take_photo,), {"deadline": 5}, AgentTypeError, "not a timedelta"),
    ((take_photo,), {"deadline": timedelta(0)}, AgentValueError, "not positive"),
    ((take_photo,), {"output_schema": StandInClient}, AgentTypeError, "no JSON schema"),
    ((takes_agent,), {}, AgentTypeError, "'agent' cannot cross"),
    ((takes_anything,), {}, AgentTypeError, "Name each parameter"),
]


@pytest.mark.parametrize(("args", "options", "error", "message"), REFUSED)
def test_what_cannot_work_is_refused(args: Any, options: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        client_tool(*args, **options)


def test_a_client_needs_functions() -> None:
    client: Any = None
    with pytest.raises(AgentTypeError, match="not a function"):
        ClientTools(StandInClient(), "w", {"read": 7})  # pyright: ignore[reportArgumentType]
    with pytest.raises(AgentValueError, match="no tools"):
        ClientTools(client, "w", {})


# --- The book


def asked(id_: str, **more: Any) -> Interrupt:
    reason = {"tool": "read", "arguments": {"path": id_}, **more}
    return Interrupt(id_, "strands-temporal-client-tool", reason)


def kind_of(call: Any) -> str:
    with pytest.raises(ApplicationError) as caught:
        call()
    return str(caught.value.type)


def test_only_calls_of_client_tools_are_client_calls() -> None:
    assert is_client_call(asked("a"))
    assert is_client_call(Interrupt("a", "strands-temporal-client-tool 2", {}))
    assert not is_client_call(Interrupt("a", "strands-temporal-client-tools", {}))
    assert not is_client_call(Interrupt("a", "approval", {}))


def test_claims_lapse_are_renewed_and_given_back() -> None:
    book = CallBook()
    book.open([asked("a")], "agent", NOW)
    assert book.claim({"id": "a", "by": "x", "seconds": 10}, NOW)["until"] == "2026-01-01T00:00:10+00:00"
    other = {"id": "a", "by": "y", "seconds": 10}
    assert kind_of(lambda: book.claim(other, NOW)) == "ClientCallClaimed"
    book.claim({"id": "a", "by": "x", "seconds": 20}, NOW)
    assert kind_of(lambda: book.claim(other, NOW + timedelta(seconds=19))) == "ClientCallClaimed"
    book.claim(other, NOW + timedelta(seconds=20))
    book.claim({**other, "seconds": 0}, NOW)
    assert book.open_calls[0].claimed_by is None
    assert kind_of(lambda: book.claim({**other, "seconds": -1}, NOW)) == "MalformedClientMessage"


def test_a_late_result_is_refused_before_and_after_the_call_expired() -> None:
    book = CallBook()
    entries = book.open([asked("a", deadline=5)], "agent", NOW)
    late = NOW + timedelta(seconds=5)
    result = {"id": "a", "result": 1}
    assert kind_of(lambda: book.take_result(result, late)) == "ClientCallPastDeadline"
    book.expire(late)
    assert kind_of(lambda: book.take_result(result, late)) == "ClientCallPastDeadline"
    assert [answer["error"] for _, answer in book.settle(entries)] == ["No client ran the call in time"]


def test_an_id_that_comes_again_is_another_call() -> None:
    book = CallBook()
    entries = book.open([asked("a")], "agent", NOW)
    book.take_result({"id": "a", "result": 1}, NOW)
    book.settle(entries)
    book.open([asked("a")], "agent", NOW)
    book.open([asked("a")], "another agent", NOW)
    assert [call.id for call in book.open_calls] == ["a#2", "a#3"]


def test_two_calls_with_one_id_at_once_are_refused() -> None:
    book = CallBook()
    same = book.open([asked("a"), asked("a")], "team", NOW)
    assert len(same) == 1
    assert len(book.open_calls) == 1
    entries = book.open([asked("b"), Interrupt("b", "x", {"tool": "read", "arguments": {}})], "team", NOW)
    assert not entries[0].is_open


def test_what_was_released_is_found_again_in_another_run() -> None:
    book = CallBook()
    entries = book.open([asked("a", deadline=5), asked("b")], "agent", NOW)
    book.take_result({"id": "b", "result": [1]}, NOW)
    assert not book.has_released("agent")
    book.release(entries)
    assert book.has_released("agent")
    later = CallBook()
    later.take_over(book.carried())
    later.take_over(book.carried())  # by Approvals and by ClientCalls
    found = later.open([asked("a", deadline=5), asked("b")], "agent", NOW + timedelta(seconds=3))
    assert [entry.call for entry in found] == [entry.call for entry in entries]
    assert [entry.is_open for entry in found] == [True, False]
    assert kind_of(lambda: later.take_refusal({"id": "b"}, NOW)) == "ClientCallEnded"
