"""Workflows that the tracing tests run, in a module that the workflow sandbox reloads quickly."""

from datetime import timedelta

from opentelemetry import baggage
from opentelemetry.propagate import inject
from pydantic import BaseModel
from strands import tool
from strands.hooks import BeforeInvocationEvent
from temporalio import activity, workflow
from temporalio.common import RetryPolicy

from strands_temporal import TemporalAgent
from strands_temporal.workflow import activity_as_tool

QUICK = RetryPolicy(initial_interval=timedelta(milliseconds=10), maximum_attempts=3)


class Weather(BaseModel):
    """What the agent finds out."""

    city: str
    sky: str


@tool
def letter_counter(word: str, letter: str) -> int:
    """Count a letter in a word."""
    return word.count(letter)


@tool
def broken(word: str) -> int:
    """Fail."""
    raise RuntimeError(f"cannot count {word}")


@activity.defn
async def fetch_sky(city: str) -> str:
    """Look at the sky, and tell what context came along."""
    carrier: dict[str, str] = {}
    inject(carrier)
    return f"clear in {city}; tenant {baggage.get_baggage('tenant')}; {carrier.get('traceparent')}"


@workflow.defn
class WeatherWorkflow:
    """An agent with a plain tool, an activity tool and structured output."""

    @workflow.run
    async def run(self, prompt: str) -> str:
        """Ask the agent."""
        agent = TemporalAgent(
            "scripted",
            tools=[letter_counter, activity_as_tool(fetch_sky)],
            structured_output_model=Weather,
            baggage_attributes={"tenant": "blue"},
            system_prompt="SECRET instructions",
            callback_handler=None,
            retry_policy=QUICK,
        )
        result = await agent.invoke_async(prompt)
        assert isinstance(result.structured_output, Weather)
        return result.structured_output.sky


@workflow.defn
class ToolWorkflow:
    """An agent with a plain tool, one that fails, and an activity tool."""

    @workflow.run
    async def run(self, prompt: str) -> str:
        """Ask the agent."""
        tools = [letter_counter, broken, activity_as_tool(fetch_sky)]
        agent = TemporalAgent("scripted", tools=tools, callback_handler=None, retry_policy=QUICK)
        return str(await agent.invoke_async(prompt)).strip()


def raise_key_error(event: BeforeInvocationEvent) -> None:
    """Fail, as a hook."""
    raise KeyError("missing")


@workflow.defn
class HookWorkflow:
    """An agent with a failing hook: the error leaves the agent and ends the workflow."""

    @workflow.run
    async def run(self, prompt: str) -> None:
        """Ask the agent."""
        agent = TemporalAgent("scripted", callback_handler=None, hooks=[raise_key_error])
        await agent.invoke_async(prompt)


@workflow.defn
class BrokenWorkflow:
    """Its first workflow tasks fail after the agent has answered."""

    @workflow.run
    async def run(self, prompt: str) -> str:
        """Ask the agent, then fail the task twice."""
        answer = str(await TemporalAgent("scripted", callback_handler=None).invoke_async(prompt)).strip()
        if next(FAILURES, None) is not None:  # runs without the sandbox, so that all runs share this module
            raise RuntimeError("this task fails and is tried again")
        return answer


FAILURES = iter(range(2))


@activity.defn
async def traceparent() -> str:
    """Return the trace context that came along."""
    carrier: dict[str, str] = {}
    inject(carrier)
    return carrier.get("traceparent", "")


@workflow.defn
class PlainWorkflow:
    """No agent: one activity."""

    @workflow.run
    async def run(self) -> str:
        """Call it."""
        return await workflow.execute_activity(traceparent, start_to_close_timeout=timedelta(seconds=10))


@workflow.defn
class ChatWorkflow:
    """A chat that continues as new on request."""

    def __init__(self) -> None:
        self.ended = False
        self.agent: TemporalAgent | None = None

    @workflow.update
    async def turn(self, prompt: str) -> str:
        """Ask the agent."""
        await workflow.wait_condition(lambda: self.agent is not None)
        assert self.agent
        return str(await self.agent.invoke_async(prompt)).strip()

    @workflow.query
    def said(self) -> int:
        """Count the messages."""
        return len(self.agent.messages) if self.agent else 0

    @workflow.signal
    async def end(self) -> None:
        """End this run, with one more question."""
        assert self.agent
        await self.agent.invoke_async("bye")
        self.ended = True

    @workflow.run
    async def run(self, runs: int) -> None:
        """Chat."""
        self.agent = TemporalAgent("scripted", callback_handler=None)
        await workflow.wait_condition(lambda: self.ended and workflow.all_handlers_finished())
        if runs > 1:
            workflow.continue_as_new(runs - 1)
