"""`TemporalA2AAgent`: a remote agent that speaks the A2A protocol. Each call is an activity."""

from collections.abc import AsyncIterator
from datetime import timedelta
from threading import Event
from typing import Any, NoReturn

import strands
from strands import ToolContext
from strands.agent.agent_result import AgentResult
from strands.agent.base import AgentBase
from strands.telemetry.metrics import EventLoopMetrics
from strands.types.agent import AgentInput
from strands.types.tools import AgentTool
from typing_extensions import Unpack, override

from .._errors import AgentCancelledError, AgentTypeError, AgentValueError, SynchronousCallError
from .._wire.a2a import A2A_ACTIVITY, A2A_VERSION, A2AAnswer, A2ACall
from .._wire.tool_context import CONTEXT_PARAMETER
from .._wire.values import decode, encode_any
from .._wire.versions import check_wire_version
from .handles import handle_options, operate
from .options import HEARTBEATING_TOOL_DEFAULTS, ActivityOptions
from .tool_caller import check_agent_in_workflow

A2A_DEFAULTS: ActivityOptions = {
    **HEARTBEATING_TOOL_DEFAULTS,
    # A remote agent may call models and tools of its own. Strands' client gives up after five minutes.
    "start_to_close_timeout": timedelta(minutes=10),
}


class TemporalA2AAgent(AgentBase):
    """A remote agent over the A2A protocol, for workflows: Strands' `A2AAgent` behind a name.

    It is an `AgentBase`, so it can be a node of a `Graph`. Its method `as_tool()` returns it as a tool for
    another agent. Its counterpart on the worker is
    `StrandsPlugin(a2a_agents={name: lambda: A2AAgent(endpoint=...)})`.

    A call sends the prompt to the remote agent and returns its answer. The activity's retry policy applies:
    an attempt that was lost sends the message again. A remote agent that refuses the call (an HTTP status
    below 500) is not asked again.

    Args:
        agent: Name in `StrandsPlugin(a2a_agents=...)`.
        name: The agent's name in a graph's results and as a tool; by default `agent`.
        description: What the agent does, for the model that calls it as a tool.
        **options: Activity options of the calls: the keys of `temporalio.workflow.ActivityConfig` without
            `activity_id`. By default a call may take 10 minutes, has a heartbeat timeout of 15 seconds, and
            is tried 3 times.

    Raises:
        AgentTypeError: If `agent` is not a string, or an option is unknown or of a wrong type.
        AgentValueError: If `agent` is empty, or an option has a value that cannot work.
    """

    def __init__(
        self,
        agent: str,
        *,
        name: str | None = None,
        description: str | None = None,
        **options: Unpack[ActivityOptions],
    ) -> None:
        self.options: ActivityOptions = handle_options(
            "TemporalA2AAgent", agent, "StrandsPlugin(a2a_agents=...)", A2A_DEFAULTS, options
        )
        self._agent = agent
        self.name: str = name or agent
        self.description: str | None = description

    def __repr__(self) -> str:
        return f"TemporalA2AAgent({self._agent!r})"

    @override
    def __call__(self, prompt: AgentInput = None, **kwargs: Any) -> NoReturn:
        """Refuse: a synchronous call needs its own thread, which a workflow does not have.

        Raises:
            SynchronousCallError: In a workflow, always.
            RuntimeError: Outside of a workflow.
        """
        check_agent_in_workflow(f"{self!r}(...)")
        raise SynchronousCallError(
            "agent(...) cannot run in a workflow. Write `await agent.invoke_async(...)`"
        )

    @override
    async def invoke_async(
        self, prompt: AgentInput = None, *, cancel_signal: Event | None = None, **kwargs: Any
    ) -> AgentResult:
        """Send a prompt to the remote agent, and return its answer.

        Args:
            prompt: Text, messages or content blocks. Strands sends the text of the last user message.
            cancel_signal: Cancels the call when it is set.
            **kwargs: Ignored, as by `A2AAgent`.

        Raises:
            PayloadTooLargeError: If the prompt is too large for Temporal. Nothing is sent.
            AgentTypeError: If the prompt holds something that is neither JSON nor bytes.
            AgentCancelledError: If `cancel_signal` was set before the answer came.
            ApplicationError: If the call failed. The type is the name of the exception's class: "ValueError"
                if Strands refuses the prompt, for example None.
            RuntimeError: Outside of a workflow.
        """
        check_agent_in_workflow(f"{self!r}.invoke_async(...)")
        try:
            call = A2ACall(self._agent, encode_any(prompt)).to_wire()
        except TypeError as error:
            raise AgentTypeError(f"{self!r}: the prompt cannot be sent: {error}") from error
        wire = await operate(
            A2A_ACTIVITY, call, self.options, summary=("a2a", self.name), cancel_signal=cancel_signal
        )
        answer = A2AAnswer.from_wire(wire)
        check_wire_version("An A2A agent's answer", answer.version, A2A_VERSION, in_workflow=True)
        message, state = decode(answer.message), decode(answer.state)
        stop_reason: Any = answer.stop_reason
        return AgentResult(stop_reason, message, EventLoopMetrics(), state)

    @override
    async def stream_async(self, prompt: AgentInput = None, **kwargs: Any) -> AsyncIterator[Any]:
        """Yield the result. The remote agent's own events stay on the worker.

        Raises:
            Exception: As `invoke_async`.
        """
        yield {"result": await self.invoke_async(prompt, **kwargs)}

    def as_tool(self, *, name: str | None = None, description: str | None = None) -> AgentTool:
        """Return the remote agent as a tool with one input, a string. The answer's text is the tool's result.

        Args:
            name: Name of the tool. By default the agent's name.
            description: Description of the tool. By default the agent's description.

        Raises:
            AgentValueError: If there is no description.
        """
        text = description or self.description
        if not text:
            raise AgentValueError(f"{self!r}.as_tool(): a model needs a description. Give description='...'")

        async def call(input: str, tool_context: "ToolContext[Any]") -> Any:
            """Call the agent.

            Args:
                input: The input to send to the agent tool.
                tool_context: The call.
            """
            try:
                result = await self.invoke_async(input, cancel_signal=tool_context.cancel_signal)
            except AgentCancelledError as error:
                return {"status": "error", "content": [{"text": str(error)}]}
            return str(result)

        return strands.tool(name=name or self.name, description=text, context=CONTEXT_PARAMETER)(call)
