"""What the plugin puts around every activity and every workflow of its worker."""

from typing import Any

from temporalio import worker, workflow
from temporalio.exceptions import ApplicationError, TemporalError

from ._adaptation import adapt_loop, raised_by_multi_agent
from ._errors import as_workflow_failure, cause_of, left_agent, to_application_error, unwrapped
from ._idempotency import ActivityHeaders
from ._tool_calls import ToolCalls


class StrandsInterceptor(worker.Interceptor):
    """Types Strands' errors where they leave an activity, and ends the run on those that leave an agent."""

    def intercept_activity(
        self, next: worker.ActivityInboundInterceptor
    ) -> worker.ActivityInboundInterceptor:  # Temporal's name
        """See base class."""
        return _TypedErrors(ToolCalls(next))

    def workflow_interceptor_class(
        self,
        input: worker.WorkflowInterceptorClassInput,
    ) -> type[worker.WorkflowInboundInterceptor]:
        """See base class."""
        return _AgentRuns


class _TypedErrors(worker.ActivityInboundInterceptor):
    """Turns what Strands raises in an activity (an interrupt, an overflow) into a typed failure."""

    async def execute_activity(self, input: worker.ExecuteActivityInput) -> Any:
        try:
            return await self.next.execute_activity(input)
        except Exception as error:
            failure = to_application_error(error)
            if failure is None:
                raise
            raise failure from cause_of(error)


class _AgentRuns(worker.WorkflowInboundInterceptor):
    """Prepares the workflow's loop for Strands, and ends the run on an error that left an agent."""

    def init(self, outbound: worker.WorkflowOutboundInterceptor) -> None:
        super().init(ActivityHeaders(outbound))

    async def execute_workflow(self, input: worker.ExecuteWorkflowInput) -> Any:
        adapt_loop()
        try:
            return await self.next.execute_workflow(input)
        except Exception as error:
            _end_run_on(error)
            raise

    async def handle_signal(self, input: worker.HandleSignalInput) -> None:
        adapt_loop()
        try:
            await self.next.handle_signal(input)
        except Exception as error:
            _end_run_on(error)
            raise

    async def handle_update_handler(self, input: worker.HandleUpdateInput) -> Any:
        adapt_loop()
        try:
            return await self.next.handle_update_handler(input)
        except Exception as error:
            _end_run_on(error)
            raise


def _end_run_on(error: Exception) -> None:
    """Raise the failure that ends the run or the update if `error` left an agent; else do nothing."""
    left = left_agent(error) or raised_by_multi_agent(error)
    if not left or isinstance(error, TemporalError):  # Temporal's own failures end a run
        return
    workflow.logger.debug("type=<%s> | an error left the agent and ends the run", type(error).__name__)
    reason = unwrapped(error)
    if isinstance(reason, TemporalError) and not isinstance(reason, ApplicationError):
        raise reason  # a time-out, say: it has its own causes
    raise as_workflow_failure(error) from cause_of(reason)
