"""Private names of Strands do what `private_api` relies on."""

import pytest
from strands import Agent, ToolContext
from strands.interrupt import InterruptException

from strands_temporal._upstream.private_api import interrupt_id
from strands_temporal.testing import ScriptedModel


def test_a_tools_interrupt_has_the_id_that_its_context_says_beforehand() -> None:
    agent = Agent(model=ScriptedModel("hello"))
    context = ToolContext({"toolUseId": "t1", "name": "pay", "input": {}}, agent, {})
    expected = interrupt_id(context, "approval")
    with pytest.raises(InterruptException) as raised:
        context.interrupt("approval")
    assert raised.value.interrupt.id == expected
