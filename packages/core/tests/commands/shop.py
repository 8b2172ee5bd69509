"""Agents without a workflow: a user's module for `strands-temporal dev` and `replay`."""

from temporalio import activity, workflow

from strands_temporal import TemporalAgent
from strands_temporal.testing import Reply, ScriptedCall, say, use_tool
from strands_temporal.workflow import activity_as_tool


@activity.defn
async def find_lamp(colour: str) -> str:
    """Find a lamp."""
    return f"a {colour} lamp"


def answer(call: ScriptedCall) -> Reply:
    """Find a lamp of each colour in the prompt, one after the other, then say what was found last."""
    colours = call.prompt.split()
    (begun,) = [i for i, each in enumerate(call.messages) if each["content"] == [{"text": call.prompt}]]
    found = sum(each["role"] == "assistant" for each in call.messages[begun:])
    if found < len(colours):
        return use_tool("find_lamp", {"colour": colours[found]})
    return say(f"got {call.text}")


def is_long() -> bool:
    """Tell whether to continue as new."""
    return workflow.info().get_current_history_length() > 40


def support() -> TemporalAgent:
    """Make the agent "support"."""
    return TemporalAgent("m", name="support", tools=[activity_as_tool(find_lamp)], callback_handler=None)
