"""Durable execution for Strands agents on Temporal.

In a workflow:

    self.agent = TemporalAgent(model="claude", start_to_close_timeout=timedelta(seconds=60))
    result = await self.agent.invoke_async("Hello")

On the worker or its client:

    StrandsPlugin(models={"claude": lambda: AnthropicModel(...)})

Further: `strands_temporal.workflow` (activities as tools and hooks), `strands_temporal.activity` (what runs
on the worker), `strands_temporal.testing` (a test kit).
"""

from . import _process_end as _process_end  # registers with atexit what ends a process in order
from ._agent import TemporalAgent
from ._agent_options import TemporalAgentOptions
from ._carry import AgentCarry, CarryTooLargeError
from ._composable import ComposablePlugin
from ._errors import AgentTypeError, AgentValueError, SnapshotsDisabledError, SynchronousCallError
from ._model import TemporalModel
from ._options import ActivityOptions
from ._plugin import ModelFactory, StrandsPlugin
from ._sizes import ModelCallTooLargeError

__all__ = [
    "ActivityOptions",
    "AgentCarry",
    "AgentTypeError",
    "AgentValueError",
    "CarryTooLargeError",
    "ComposablePlugin",
    "ModelCallTooLargeError",
    "ModelFactory",
    "SnapshotsDisabledError",
    "StrandsPlugin",
    "SynchronousCallError",
    "TemporalAgent",
    "TemporalAgentOptions",
    "TemporalModel",
]
