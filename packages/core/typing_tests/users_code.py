"""Users' code that must pass pyright's strict mode: checked by `make type`, never run."""

from datetime import timedelta

from pydantic import BaseModel
from strands import Agent, tool
from strands.hooks import AfterToolCallEvent, BeforeModelCallEvent, HookProvider, HookRegistry
from strands.models import Model
from strands.models.bedrock import BedrockModel
from strands.types.content import Messages
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.worker import Worker
from typing_extensions import assert_type

from strands_temporal import StrandsPlugin, TemporalAgent, TemporalModel
from strands_temporal.testing import Parity, Scenario, ScriptedModel, prompts, run_parity, say
from strands_temporal.workflow import activity_as_hook, activity_as_tool


class Person(BaseModel):
    """A person."""

    name: str


@tool
def letter_counter(word: str, letter: str) -> int:
    """Count a letter."""
    return word.count(letter)


@activity.defn
async def fetch_weather(city: str) -> dict[str, str]:
    """Look up the weather."""
    return {"city": city}


@activity.defn
async def audit(tool_name: str) -> None:
    """Write to the audit log."""


class Audit(HookProvider):
    """The event's type reaches `activity_input`."""

    def register_hooks(self, registry: HookRegistry, **kwargs: object) -> None:
        """Register."""
        registry.add_callback(
            AfterToolCallEvent,
            activity_as_hook(
                audit,
                activity_input=lambda event: event.tool_use["name"],
                start_to_close_timeout=timedelta(seconds=15),
            ),
        )
        registry.add_callback(BeforeModelCallEvent, activity_as_hook(audit, activity_input=model_name))


def model_name(event: BeforeModelCallEvent) -> str:
    """Return something of the event."""
    return event.agent.name


@workflow.defn
class UsersWorkflow:
    """Everything an agent is given in the guide."""

    def __init__(self) -> None:
        self.messages: Messages = []
        self.agent = TemporalAgent(
            model="claude",
            start_to_close_timeout=timedelta(seconds=60),
            retry_policy=RetryPolicy(maximum_attempts=3),
            messages=self.messages,
            tools=[
                letter_counter,
                activity_as_tool(fetch_weather, start_to_close_timeout=timedelta(seconds=30)),
            ],
            hooks=[Audit()],
            system_prompt=[{"text": "Be brief."}, {"cachePoint": {"type": "default"}}],
            structured_output_model=Person,
            state={"seen": 1},
        )
        self.plain = Agent(model=TemporalModel("claude", task_queue="models"), callback_handler=None)

    @workflow.run
    async def run(self, prompt: str) -> str:
        """Run."""
        result = await self.agent.invoke_async(prompt)
        return str(result)


def bedrock() -> Model:
    """Make a model."""
    return BedrockModel()


async def users_worker() -> None:
    """Connect, and run a worker."""
    plugin = StrandsPlugin(models={"claude": bedrock, "other": lambda: BedrockModel()})
    client = await Client.connect("localhost:7233", plugins=[plugin])
    await Worker(client, task_queue="q", workflows=[UsersWorkflow], plugins=[plugin]).run()


async def users_test(client: Client) -> None:
    """Compare a scenario."""
    scenario = Scenario(
        script=lambda: ScriptedModel(say("hi"), lambda call: say(call.text)),
        build=lambda make: make(tools=[letter_counter]),
        drive=prompts("hello"),
    )
    assert_type(await run_parity(client, scenario), Parity)
