"""The schema that an edit is held to, and the call that it makes, without a server."""

from typing import Any

import pytest
from strands import tool
from strands.types.tools import AgentTool, ToolGenerator, ToolSpec, ToolUse

from strands_temporal._workflow.edited_calls import edited_use
from strands_temporal.extension import Edit, arguments_misfit, schema_of


class Odd(AgentTool):
    """A tool with any spec."""

    def __init__(self, spec: Any) -> None:
        super().__init__()
        self._spec = spec

    @property
    def tool_name(self) -> str:
        return "odd"

    @property
    def tool_spec(self) -> ToolSpec:
        return self._spec

    @property
    def tool_type(self) -> str:
        return "odd"

    def stream(self, tool_use: ToolUse, invocation_state: dict[str, Any], **kwargs: Any) -> ToolGenerator:
        raise NotImplementedError


@tool
def plain(amount: int, to: list[str] | None = None) -> str:
    """Do."""
    return str(amount)


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"inputSchema": None},
        {"inputSchema": {"type": "object"}},  # without Strands' "json"
        {"inputSchema": {"json": []}},
        {"inputSchema": {"json": {"type": "number of things"}}},
        {"inputSchema": {"json": {"default": float("nan")}}},
        {"inputSchema": {"json": {"$ref": "http://127.0.0.1:9/schema"}}},
        {"inputSchema": {"json": {"properties": {"a": {"$dynamicRef": "http://127.0.0.1:9/schema"}}}}},
        {"inputSchema": {"json": {"properties": {"a": {"$recursiveRef": "file:///etc/passwd"}}}}},
    ],
)
def test_without_a_valid_schema_of_its_own_a_call_takes_no_edit(spec: Any) -> None:
    """A reference out of the schema would be loaded, by whoever checks it."""
    assert schema_of(Odd(spec)) is None
    assert schema_of(None) is None


def test_the_schema_of_a_function() -> None:
    schema = schema_of(plain)
    assert schema is not None
    assert arguments_misfit(schema, {"amount": 1, "to": None}) is None
    assert arguments_misfit(schema, {"amount": "1", "more": 1}, {"amount": "1", "more": 2}) is None
    assert "$.amount" in str(arguments_misfit(schema, {"amount": "2"}, {"amount": "1"}))
    assert "'amount' is a required" in str(arguments_misfit(schema, {}, {"amount": 1}))
    assert str(arguments_misfit(schema, {"to": [7], "amount": 1})).startswith("$.to")
    assert "The tool's arguments: 'amount' (integer), 'to'" in str(arguments_misfit(schema, {}))
    assert arguments_misfit({}, {"anything": {"goes": 1}}) is None
    assert "The tool's arguments: none" in str(arguments_misfit({"properties": {}}, {"a": 1}))
    long = str(arguments_misfit(schema, {"amount": 1, "x" * 100_000: 1}))
    assert long.startswith("$: unknown argument 'xxx")


def test_the_edited_call_is_another_object_and_stays_a_background_task() -> None:
    edit = Edit({"to": ["bob"]})
    asked: Any = {"toolUseId": "t", "name": "pay", "input": {"to": ["eve"], "_background_execution": True}}
    use = edited_use(asked, edit, plain)
    assert use["input"] == {"to": ["bob"], "_background_execution": True}
    use["input"]["to"].append("mallory")  # as a hook may do
    assert edit.arguments == {"to": ["bob"]}
    assert asked["input"]["to"] == ["eve"]
