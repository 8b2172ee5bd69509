"""What the plugin puts around every activity and every workflow of its worker."""

from typing import Any, ClassVar

from temporalio import activity, worker, workflow
from temporalio.client import Client
from temporalio.exceptions import ApplicationError, FailureError, TemporalError

from .._errors import (
    as_workflow_failure,
    cause_of,
    in_place_of,
    left_agent,
    misplaced_error,
    to_application_error,
    unwrapped,
)
from .._upstream.install import adapt_loop, raised_by_multi_agent
from .._wire.failure_sizes import is_sendable, shortened
from .._wire.model_call import HOOK_HEADER, RESULT_TOO_LARGE
from .._wire.sizes import WireFormat, check_result, remember_client
from .._workflow.gate import Gate
from .._workflow.outbound import Outbound, check_sent, has_agents
from .tool_calls import ToolCalls
from .transcript_queries import TranscriptQueries


class StrandsInterceptor(worker.Interceptor):
    """Types Strands' errors where they leave an activity, and ends the run on those that leave an agent.

    Args:
        queries: By which the activities ask the workflow for what did not cross.
        client: The worker's client; None in a Replayer.
    """

    def __init__(self, queries: TranscriptQueries, client: Client | None = None) -> None:
        self._queries = queries
        self._client = client

    def intercept_activity(
        self, next: worker.ActivityInboundInterceptor
    ) -> worker.ActivityInboundInterceptor:  # Temporal's name
        """See base class."""
        return _TypedErrors(ToolCalls(next, self._queries), self._client)

    def workflow_interceptor_class(
        self,
        input: worker.WorkflowInterceptorClassInput,
    ) -> type[worker.WorkflowInboundInterceptor]:
        """See base class."""
        wire = None if self._client is None else WireFormat.of(self._client)

        class AgentRuns(_AgentRuns):
            wire_format = wire

        return AgentRuns


class _TypedErrors(worker.ActivityInboundInterceptor):
    """Turns what Strands raises in an activity (an interrupt, an overflow) into a typed failure.

    So it does with the result of a hook's activity that is too large: the server would have it made again.
    """

    def __init__(self, next: worker.ActivityInboundInterceptor, client: Client | None) -> None:
        super().__init__(next)
        self._client = client

    async def execute_activity(self, input: worker.ExecuteActivityInput) -> Any:
        remember_client(self._client)
        try:
            result = await self.next.execute_activity(input)
            if HOOK_HEADER in input.headers:
                what = f"The result of activity {activity.info().activity_type!r}"
                await check_result(what, result, RESULT_TOO_LARGE, "Have it return less")
        except Exception as error:
            failure = to_application_error(error)
            if failure is None and is_sendable(error):
                raise
            raise in_place_of(error, failure or shortened(error))  # noqa: B904  # it sets the cause itself
        else:
            return result


class _AgentRuns(worker.WorkflowInboundInterceptor):
    """Prepares the workflow's loop for Strands, and ends the run on an error that left an agent."""

    wire_format: ClassVar[WireFormat | None] = None

    def init(self, outbound: worker.WorkflowOutboundInterceptor) -> None:
        super().init(Outbound(outbound))

    async def execute_workflow(self, input: worker.ExecuteWorkflowInput) -> Any:
        self._prepare()
        try:
            result = await self.next.execute_workflow(input)
            check_sent("result", [result], "The workflow's result", "Return less, or large data by reference")
            return result  # noqa: TRY300  # a result that is too large ends the run as an error does
        except Exception as error:
            _end_run_on(error)
            raise

    async def handle_signal(self, input: worker.HandleSignalInput) -> None:
        self._prepare()
        try:
            await self.next.handle_signal(input)
        except Exception as error:
            _end_run_on(error)
            raise

    async def handle_update_handler(self, input: worker.HandleUpdateInput) -> Any:
        self._prepare()
        try:
            result = await self.next.handle_update_handler(input)
            text = f"The result of update {input.update!r}"
            check_sent(f"update {input.update}", [result], text, "Return less, or large data by reference")
            return result  # noqa: TRY300  # as above
        except Exception as error:
            _end_run_on(error)
            raise

    def _prepare(self) -> None:
        adapt_loop()
        Gate.of_this_run().wire = self.wire_format


def _end_run_on(error: Exception) -> None:
    """Raise the failure that ends the run or the update if `error` left an agent; else do nothing."""
    wrong_place = misplaced_error(error)
    if wrong_place is not None:
        # Without its traceback, by which the failure converter would type the cause as well.
        raise wrong_place.with_traceback(error.__traceback__) from error.with_traceback(None)
    left = left_agent(error) or raised_by_multi_agent(error)
    if isinstance(error, FailureError) and (left or has_agents()) and not is_sendable(error):
        raise shortened(error) from None
    if not left or isinstance(error, TemporalError):  # Temporal's own failures end a run
        return
    workflow.logger.debug("type=<%s> | an error left the agent and ends the run", type(error).__name__)
    reason = unwrapped(error)
    if isinstance(reason, TemporalError) and not isinstance(reason, ApplicationError) and is_sendable(reason):
        raise reason  # a time-out, say: it has its own causes
    raise as_workflow_failure(error) from cause_of(reason)
