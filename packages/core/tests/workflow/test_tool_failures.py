"""Tools that fail because of where their code runs: the model and the log get the remedy."""

import asyncio
import configparser
import logging
import re
import time
import urllib.request
from typing import Any

import pytest
from conftest import Agents
from strands import Agent, tool
from temporalio import activity, workflow
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from strands_temporal import AgentTypeError, TemporalAgent, TemporalModel
from strands_temporal.testing import ScriptedModel, say, use_tool
from strands_temporal.workflow import activity_as_tool

pytestmark = pytest.mark.server

HERE = __file__


@tool
def opens_a_file() -> str:
    """Open a file."""
    with open(HERE) as file:  # noqa: PTH123  # what people write
        return file.read()


@tool
def sleeps() -> str:
    """Sleep."""
    time.sleep(1)
    return "slept"


@tool
async def reads_a_page() -> str:
    """Read a page."""
    await asyncio.sleep(0)
    with urllib.request.urlopen("http://127.0.0.1:9/") as page:  # noqa: ASYNC210  # the sandbox stops it before
        return str(page.read())


@tool
async def connects() -> str:
    """Connect."""
    await asyncio.open_connection("127.0.0.1", 9)
    return "connected"


@tool
def reads_settings() -> str:
    """Have a library open a file."""
    return str(configparser.ConfigParser().read(HERE))


@tool
def loads_a_client() -> str:
    """Define a class of a restricted one, as the import of a library does."""

    class Request(urllib.request.Request): ...

    return Request.__name__


@tool
def asks_instead() -> str:
    """Hide the sandbox's error."""
    try:
        with open(HERE) as file:  # noqa: PTH123
            return file.read()
    except Exception:  # noqa: BLE001  # as tools do
        raise ValueError("Unknown account. Ask the customer for the number") from None


@tool
def adds_its_own() -> str:
    """Raise another error from the sandbox's."""
    try:
        time.sleep(1)
    except Exception as error:
        raise LookupError("no account 42") from error
    return ""


@tool
def is_wrong() -> str:
    """Raise an ordinary error."""
    raise NotImplementedError("not yet")


TOOLS = {
    tool.tool_name: tool
    for tool in (
        opens_a_file,
        sleeps,
        reads_a_page,
        connects,
        reads_settings,
        loads_a_client,
        is_wrong,
        asks_instead,
        adds_its_own,
    )
}


@workflow.defn
class ToolWorkflow:
    @workflow.run
    async def run(self, name: str, plain: bool) -> str:
        tools = [TOOLS[name]]
        if plain:
            agent = Agent(TemporalModel("m"), tools=tools, callback_handler=None)
        else:
            agent = TemporalAgent("m", tools=tools, callback_handler=None)
        return str(await agent.invoke_async("go"))


async def result_of(agents: Agents, name: str, *, plain: bool) -> str:
    """Return what the model read as the tool's result."""
    model = ScriptedModel(use_tool(name, {}), say("done"))
    async with agents(workflows=[ToolWorkflow], models={"m": lambda: model}) as env:
        assert await env.run(ToolWorkflow.run, name, plain) == "done\n"
    [result] = [
        block["toolResult"] for block in model.calls[-1].messages[-1]["content"] if "toolResult" in block
    ]
    assert result["status"] == "error"
    return "\n".join(str(block.get("text")) for block in result["content"])


@pytest.mark.parametrize("plain", [False, True], ids=["TemporalAgent", "Agent"])
@pytest.mark.parametrize(
    ("name", "access"),
    [
        ("opens_a_file", "open"),
        ("sleeps", "time.sleep"),
        ("reads_a_page", "urllib.request.urlopen"),
        ("connects", "asyncio's"),
        ("reads_settings", "open"),
        ("loads_a_client", "urllib.request.Request"),
    ],
)
async def test_a_tool_with_input_and_output_is_told_where_to_run(
    agents: Agents, caplog: pytest.LogCaptureFixture, name: str, access: str, plain: bool
) -> None:
    with caplog.at_level(logging.WARNING, "temporalio.workflow"):
        text = await result_of(agents, name, plain=plain)
    assert text.startswith((f"Error: {access} ", "Error: asyncio's "))
    assert f"the code of the tool {name!r} runs" in text
    assert "activity_as_tool(...)" in text
    assert "StrandsPlugin(tools=...) and TemporalTools(name)" in text
    assert text.endswith("[ST201: docs/messages.md#st201]")
    [line] = {record.getMessage() for record in caplog.records if "ST201" in record.getMessage()}
    assert line.startswith(f"tool=<{name}>, access=<{access}")
    assert f"at=<{HERE}:" in line


async def test_another_error_of_a_tool_stays_strands_own(agents: Agents) -> None:
    assert await result_of(agents, "is_wrong", plain=False) == "Error: NotImplementedError - not yet"


async def test_what_a_tool_says_itself_stays(agents: Agents) -> None:
    said = "Unknown account. Ask the customer for the number"
    assert await result_of(agents, "asks_instead", plain=False) == f"Error: {said}"
    both = await result_of(agents, "adds_its_own", plain=False)
    assert both.startswith("Error: LookupError - no account 42\nError: time.sleep is not possible inside a")


class NotFoundError(Exception):
    """As users name theirs."""


@activity.defn(name="weather")
async def weather_of_nowhere(city: str) -> str:
    raise NotFoundError(f"{city} is not registered")


async def test_a_users_own_not_found_error_is_the_tools_result(agents: Agents) -> None:
    model = ScriptedModel(use_tool("weather", {"city": "Rome"}), say("done"))
    async with agents(
        workflows=[ActivityToolWorkflow], activities=[weather_of_nowhere], models={"m": lambda: model}
    ) as env:
        assert await env.run(ActivityToolWorkflow.run, False, False) == "done\n"


@activity.defn
async def weather(city: str) -> str:
    """Tell the weather."""
    return f"sun in {city}"


@activity.defn
async def forecast(city: str) -> str:
    """Tell the weather to come."""
    return f"rain in {city}"


@workflow.defn
class ActivityToolWorkflow:
    @workflow.run
    async def run(self, bare: bool, plain: bool) -> str:
        tools: list[Any] = [weather] if bare else [activity_as_tool(weather)]
        if plain:
            agent = Agent(TemporalModel("m"), tools=tools, callback_handler=None)
        else:
            agent = TemporalAgent("m", tools=tools, callback_handler=None)
        return str(await agent.invoke_async("How is it in Rome?"))


async def failure_of(
    agents: Agents, *args: Any, activities: list[Any]
) -> tuple[ApplicationError, ScriptedModel]:
    model = ScriptedModel(use_tool("weather", {"city": "Rome"}), say("must not be asked"))
    async with agents(
        workflows=[ActivityToolWorkflow], activities=activities, models={"m": lambda: model}
    ) as env:
        with pytest.raises(WorkflowFailureError) as failure:
            await env.run(ActivityToolWorkflow.run, *args)
    assert isinstance(failure.value.cause, ApplicationError)
    return failure.value.cause, model


@pytest.mark.parametrize("plain", [False, True], ids=["TemporalAgent", "Agent"])
async def test_an_activity_that_no_worker_has_ends_the_run_and_lists_what_the_worker_has(
    agents: Agents, plain: bool
) -> None:
    cause, model = await failure_of(agents, False, plain, activities=[forecast])
    assert cause.non_retryable
    assert cause.type == ("EventLoopException" if plain else "ActivityNotRegisteredError")
    assert (
        "does not have the activity 'weather'. Register it: Worker(..., activities=[weather])"
        in cause.message
    )
    available = cause.message.partition("available activities: ")[2]
    assert {"forecast", "invoke_model"} <= set(re.findall(r"\w+", available))
    assert cause.message.endswith("[ST202: docs/messages.md#st202]")
    assert len(model.calls) == 1


async def test_an_activity_given_as_a_tool_is_refused_when_the_agent_is_built(agents: Agents) -> None:
    cause, model = await failure_of(agents, True, False, activities=[weather])
    assert cause.type == AgentTypeError.failure_type
    assert "weather is an activity, which Strands would not take for a tool" in cause.message
    assert "Write activity_as_tool(weather), from strands_temporal.workflow [ST106:" in cause.message
    assert not model.calls
