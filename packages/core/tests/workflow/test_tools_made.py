"""An activity as a tool has the spec of a plain tool. An unsuitable activity is refused at once."""

from typing import Annotated, Any

import pytest
import strands
from packages.core.tests.workflow.tool_functions import (
    ACTIVITIES,
    COUNTER,
    FUNCTIONS,
    Counter,
    defaults,
    no_arguments,
    text_of,
)
from packages.core.tests.workflow.tool_scenes import echo
from pydantic import Field
from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from strands_temporal import AgentTypeError, StrandsPlugin
from strands_temporal.testing import Scenario, ScriptedModel, prompts, run_parity, use_tool
from strands_temporal.workflow import activity_as_tool

pytestmark = pytest.mark.server


@activity.defn
async def field_in_annotation(count: Annotated[int, Field(gt=0)]) -> str:
    """Use what Strands refuses."""
    return str(count)


@activity.defn
async def wants_agent(agent: Any) -> str:
    """Take the agent."""
    return str(agent)


@activity.defn
async def any_number(*words: str) -> str:
    """Take any number."""
    return str(words)


@activity.defn
def yields_things() -> Any:
    """Yield."""
    yield 1


@pytest.mark.parametrize(
    ("function", "match"),
    [
        (field_in_annotation, "pydantic.Field within Annotated is not yet supported"),
        (wants_agent, "a parameter 'agent'.*strands_temporal.activity.ToolContext"),
        (any_number, r"\*words.*has no name"),
        (yields_things, "report_progress"),
    ],
)
def test_refused_when_the_tool_is_made(function: Any, match: str) -> None:
    with pytest.raises(Exception, match=match) as refused:
        activity_as_tool(function)
    assert isinstance(refused.value, ApplicationError)  # so that it ends a workflow
    assert refused.value.non_retryable


def test_name_description_and_schema_as_in_strands_decorator() -> None:
    schema: dict[str, Any] = {"json": {"type": "object", "properties": {"a": {"type": "integer"}}}}
    options: dict[str, Any] = {"name": "other", "description": "Other.", "inputSchema": schema}
    ours = activity_as_tool(ACTIVITIES["defaults"], **options)
    assert ours.tool_spec == strands.tool(**options)(defaults).tool_spec
    assert ours.tool_name == "other"


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_the_spec_is_that_of_the_plain_tool(function: Any) -> None:
    plain: Any = strands.tool(function)
    assert activity_as_tool(ACTIVITIES[function.__name__]).tool_spec == plain.tool_spec


def test_tools_of_one_activity_share_its_model_and_nothing_that_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decorated: list[str | None] = []
    tool = strands.tool

    def noted(*, name: str | None, **options: Any) -> Any:
        decorated.append(name)
        return tool(name=name, **options)

    monkeypatch.setattr(strands, "tool", noted)
    schema: dict[str, Any] = {"json": {"type": "object", "properties": {}}}
    one = activity_as_tool(defaults, name="one_of_three")
    other = activity_as_tool(defaults, name="one_of_three", inputSchema=schema)
    one.tool_spec["inputSchema"]["json"]["properties"].clear()
    third = activity_as_tool(defaults, name="one_of_three")
    assert decorated == ["one_of_three"]
    assert other.tool_spec["inputSchema"] == schema
    assert third.tool_spec == tool(name="one_of_three")(defaults).tool_spec


def test_a_methods_spec_is_that_of_the_bound_method() -> None:
    plain = strands.tool(COUNTER.count).tool_spec
    assert activity_as_tool(Counter.count).tool_spec == plain
    assert activity_as_tool(COUNTER.count).tool_spec == plain
    assert "self" not in str(plain)


@activity.defn
class Callable1:
    async def __call__(self, word: str) -> str:
        """Call an object."""
        return f"called {word}"


async def test_an_activity_that_is_an_object(client: Client, worker_options: dict[str, Any]) -> None:
    async def plain(word: str) -> str:
        """Call an object."""
        return f"called {word}"

    parity = await run_parity(
        client,
        Scenario(
            script=lambda: ScriptedModel(use_tool("Callable1", {"word": "me"}), echo),
            build=lambda make: make(
                tools=[activity_as_tool(Callable1) if make.durable else strands.tool(name="Callable1")(plain)]
            ),
            drive=prompts("go"),
            activities=[Callable1()],
        ),
        **worker_options,
    )
    parity.assert_equal()
    assert text_of(parity) == "called me"


async def test_a_sync_activity_on_a_worker_without_an_executor_is_refused_at_its_start(
    client: Client,
) -> None:
    with pytest.raises(ValueError, match="in_a_thread is not async so an activity_executor must be present"):
        Worker(client, task_queue="t", activities=[ACTIVITIES["in_a_thread"]], plugins=[StrandsPlugin()])


def test_not_an_activity() -> None:
    with pytest.raises(AgentTypeError, match="is not an activity"):
        activity_as_tool(no_arguments.__call__)
