"""An agent whose every text has a word of its own, to look for in what is stored."""

from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy

from strands_temporal import TemporalAgent
from strands_temporal.activity import ToolContext
from strands_temporal.testing import ScriptedModel, fail, say, use_tool
from strands_temporal.workflow import activity_as_tool

WORDS = (
    "PROMPT",
    "SYSTEM",
    "ANSWER",
    "ARGUMENT",
    "RESULT",
    "STATE",
    "CALLER",
    "SUMMARY",
    "DETAILS",
    "TOOLERROR",
    "MODELERROR",
    "LASTWORD",
)


def secret(word: str) -> str:
    """Return a text that stands nowhere else, not even in this file."""
    return f"{word}-{word.lower()[::-1]}"


@activity.defn
async def look_up(topic: str, tool_context: ToolContext) -> str:
    """Look something up."""
    assert topic == secret("ARGUMENT")
    tool_context.agent_state.set("found", secret("STATE"))
    return secret("RESULT")


@activity.defn
async def break_down() -> str:
    """Fail."""
    raise RuntimeError(secret("TOOLERROR"))


@workflow.defn
class SecretWorkflow:
    @workflow.run
    async def run(self, prompt: str, interval: float = 0.001) -> str:
        self.said = prompt
        workflow.set_current_details(secret("DETAILS"))
        retry_policy = RetryPolicy(maximum_attempts=2, initial_interval=timedelta(seconds=interval))
        agent = TemporalAgent(
            "m",
            system_prompt=secret("SYSTEM"),
            tools=[
                activity_as_tool(look_up, summary=secret("SUMMARY")),
                activity_as_tool(break_down, retry_policy=retry_policy),
            ],
            retry_policy=retry_policy,
            callback_handler=None,
        )
        result = str(await agent.invoke_async(prompt, invocation_state={"user": secret("CALLER")}))
        await agent.invoke_async(f"{result}, again")
        return result

    @workflow.query
    def prompt(self) -> str:
        return self.said


def secretive() -> ScriptedModel:
    return ScriptedModel(
        use_tool("look_up", {"topic": secret("ARGUMENT")}, tool_use_id="call-4711"),
        use_tool("break_down", {}),
        say(secret("ANSWER")),
        fail(ConnectionError(secret("MODELERROR"))),
        fail(ValueError(secret("LASTWORD"))),
    )
