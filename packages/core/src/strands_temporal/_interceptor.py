"""The interceptor that `StrandsPlugin` adds to a worker: its activities' side and its workflows' side."""

from collections.abc import Mapping

from temporalio import worker
from temporalio.client import Client

from ._wire.sizes import WireFormat
from ._worker.held_context import KeptContexts
from ._worker.interceptor import TypedErrorsInterceptor
from ._worker.queue_watch import ClientsWatch, QueueWatch
from ._worker.tool_calls import ToolCallsInterceptor
from ._worker.transcript_queries import TranscriptQueries
from ._workflow.agent_definitions import EXTERN_FUNCTION, AgentDefinition
from ._workflow.interceptor import AgentRunsInterceptor


class StrandsInterceptor(worker.Interceptor):
    """Interceptor that converts Strands' exceptions in activities to typed failures.

    In a workflow, an error that a call of an agent raises ends the run, if no code catches the error.

    Args:
        queries: Asks workflows for the parts of a tool's context that were too large to send.
        client: The worker's client; None in a Replayer.
        queues: Watches activities on other task queues.
        agents: The agents by name.
    """

    def __init__(
        self,
        queries: TranscriptQueries,
        client: Client | None,
        queues: QueueWatch,
        agents: Mapping[str, AgentDefinition],
    ) -> None:
        self._contexts = KeptContexts(queries)
        self._client = client
        self._queues = queues
        self._agents = agents

    def intercept_activity(
        self, next: worker.ActivityInboundInterceptor
    ) -> worker.ActivityInboundInterceptor:  # Temporal's name
        """See base class."""
        return TypedErrorsInterceptor(ToolCallsInterceptor(next, self._contexts), self._client)

    def workflow_interceptor_class(
        self,
        input: worker.WorkflowInterceptorClassInput,
    ) -> type[worker.WorkflowInboundInterceptor]:
        """See base class."""
        input.unsafe_extern_functions[EXTERN_FUNCTION] = lambda: self._agents
        client = self._client
        if client is None:
            return AgentRunsInterceptor

        class AgentRuns(AgentRunsInterceptor):
            wire_format = WireFormat.of(client)
            queue_watch = ClientsWatch(self._queues, client)

        return AgentRuns
