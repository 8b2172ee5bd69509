"""Prepares each workflow run for agents. Ends the run if an agent's error is not caught."""

from typing import Any, ClassVar

from temporalio import worker, workflow
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.exceptions import ApplicationError, FailureError, TemporalError

from .._upstream.callers import raised_by_multi_agent
from .._upstream.loop import adapt_loop
from .._upstream.misplaced import misplaced_error
from .._upstream.run_local import run_local
from .._wire.failure_sizes import is_sendable, shortened
from .._wire.failures import cause_of
from .._wire.run_reads import RunReads, reads_of_this_run
from .._wire.sizes import WireFormat
from .current_details import METADATA_QUERY, complete_metadata
from .failures import as_workflow_failure, left_agent, unwrapped
from .gate import Gate
from .outbound import Outbound, check_sent, has_agents
from .queue_watch import Watch, use_watch
from .unawaited import check_awaited, unawaited_error


class AgentRunsInterceptor(worker.WorkflowInboundInterceptor):
    """Prepares the workflow's event loop for Strands. Ends the run if an agent's error is not caught."""

    wire_format: ClassVar[WireFormat | None] = None
    queue_watch: ClassVar[Watch | None] = None

    def init(self, outbound: worker.WorkflowOutboundInterceptor) -> None:
        super().init(Outbound(outbound))
        self._reads: RunReads | None = None

    async def execute_workflow(self, input: worker.ExecuteWorkflowInput) -> Any:
        self._prepare()
        try:
            result = await self.next.execute_workflow(input)
            check_awaited(result, "The workflow")
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
        if not workflow.unsafe.is_replaying():
            self._noted(input.update)
        try:
            result = await self.next.handle_update_handler(input)
            check_awaited(result, f"The update {input.update!r}")
            text = f"The result of update {input.update!r}"
            check_sent(f"update {input.update}", [result], text, "Return less, or large data by reference")
            return result  # noqa: TRY300  # as above
        except Exception as error:
            _end_run_on(error)
            raise

    async def handle_query(self, input: worker.HandleQueryInput) -> Any:
        self._noted(input.query)
        result = await self.next.handle_query(input)
        if input.query == METADATA_QUERY and isinstance(result, WorkflowMetadata):
            complete_metadata(result)
        return result

    def _noted(self, name: str) -> None:
        """Count a query or an update, for the activities of this run."""
        self._reads = self._reads or reads_of_this_run()
        self._reads.note(name)

    def _prepare(self) -> None:
        self._reads = self._reads or reads_of_this_run()
        adapt_loop()
        gate = run_local(Gate)
        gate.wire, gate.prepared = self.wire_format, True
        use_watch(self.queue_watch)


def _end_run_on(error: Exception) -> None:
    """Raise the failure that ends the run or the update, if a call of an agent raised `error`.

    Does the same for an error of Strands' code that cannot run in a workflow, and for a failure that is too
    large to send.
    """
    wrong_place = misplaced_error(error)
    if wrong_place is not None:
        # Drop the cause's traceback: the failure converter would otherwise convert the cause as well.
        raise wrong_place.with_traceback(error.__traceback__) from error.with_traceback(None)
    if unawaited := unawaited_error(error):
        raise unawaited from error
    left = left_agent(error) or raised_by_multi_agent(error)
    if isinstance(error, FailureError) and (left or has_agents()) and not is_sendable(error):
        raise shortened(error) from None
    if not left or isinstance(error, TemporalError):  # Temporal's own failures end a run
        return
    workflow.logger.debug("type=<%s> | an error left the agent and ends the run", type(error).__name__)
    reason = unwrapped(error)
    if isinstance(reason, TemporalError) and not isinstance(reason, ApplicationError) and is_sendable(reason):
        raise reason  # for example a timeout: it has its own causes
    raise as_workflow_failure(error) from cause_of(reason)
