"""Private names of Strands do what `sub_agents` relies on."""

from strands import Agent

from strands_temporal._upstream.sub_agents import sub_agents_that_remember
from strands_temporal.testing import ScriptedModel


def test_sub_agents_that_remember() -> None:
    inner = Agent(ScriptedModel(), name="inner", callback_handler=None)
    agent = Agent(
        ScriptedModel(),
        tools=[inner.as_tool(name="keeps", preserve_context=True), inner.as_tool(name="forgets")],
        callback_handler=None,
    )
    assert sub_agents_that_remember(agent) == {"keeps": inner}
