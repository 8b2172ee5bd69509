"""The threads of the app: conversations with the app's agents."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio.api.common.v1 import WorkflowExecution as Execution
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest
from temporalio.client import Client, WorkflowExecution, WorkflowQueryFailedError
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from strands_temporal import AgentDescription, ConversationClient, ConversationStart, ConversationState
from strands_temporal.extension import OPEN_STATUSES, workflow_status_name

from .._request_types import REQUESTS_QUERY, StreamRequests
from .errors import NO_STREAM, NOT_FOUND, THREAD_ENDED, UNREACHABLE, WebError

WORKFLOW_TYPE = "StrandsAgentWorkflow"
"""Workflow type of a conversation with an agent by name (`AgentWorkflow` in core)."""

AGENT_MEMO = "strands_temporal_agent"
"""Memo of the threads that the app starts: the agent's name."""

_QUERY_TIMEOUT = timedelta(seconds=5)
_PATIENCE = 20.0  # seconds for which a worker may not answer
_ENDED_PATIENCE = 2.0  # seconds, if the thread has ended: nothing is lost if it is not asked
_PAUSE = 0.2
_TRANSIENT = (
    RPCStatusCode.CANCELLED,  # the SDK's own time-out
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.FAILED_PRECONDITION,
    RPCStatusCode.RESOURCE_EXHAUSTED,
    RPCStatusCode.UNAVAILABLE,
)
_DESCRIBE_TIMEOUT = timedelta(seconds=10)
_DESCRIPTIONS_SECONDS = 60.0
_KNOWN_THREADS = 10_000


@dataclass(frozen=True)
class Thread:
    """A thread that exists.

    Attributes:
        id: Its id, which is the workflow's.
        agent: Name of its agent.
        is_open: Whether it takes messages.
        status: Temporal's name of its status, in lower case.
    """

    id: str
    agent: str
    is_open: bool
    status: str = "running"


class Threads:
    """Finds, starts and asks threads.

    Args:
        client: The Temporal client.
        agents: The arguments of the app's agents, by name.
        task_queue: Task queue of their workers.
    """

    def __init__(self, client: Client, agents: Mapping[str, Mapping[str, Any]], task_queue: str) -> None:
        self._client = client
        self._agents = agents
        self._task_queue = task_queue
        self._asking: dict[tuple[Any, ...], asyncio.Future[Any]] = {}
        self._known: dict[str, str] = {}  # agents of chains of runs
        self._described: tuple[float, dict[str, AgentDescription]] = (0.0, {})

    def chat(self, thread: str) -> ConversationClient:
        """Return the client of a thread's conversation."""
        return ConversationClient(self._client, thread)

    async def descriptions(self) -> dict[str, AgentDescription]:
        """Return the app's agents as their workers describe them. Asks the workers once a minute.

        Raises:
            WebError: If no worker answers.
        """
        read_at, known = self._described
        if not known or time.monotonic() - read_at > _DESCRIPTIONS_SECONDS:
            try:
                listed = await ConversationClient.agents(self._client, self._task_queue)
            except Exception as error:  # of the server, or of a worker
                if known:
                    return known
                raise WebError(f"No worker lists the agents: {error}", UNREACHABLE, 503) from error
            known = {one.name: one for one in listed if one.name in self._agents}
            self._described = time.monotonic(), known
        return known

    async def find(self, thread: str) -> Thread | None:
        """Return a thread; None if there is none of that id, or it is of another app.

        Raises:
            WebError: If the server does not answer.
        """
        request = DescribeWorkflowExecutionRequest(
            namespace=self._client.namespace, execution=Execution(workflow_id=thread)
        )
        try:
            answer = await self._client.workflow_service.describe_workflow_execution(
                request, retry=True, timeout=_DESCRIBE_TIMEOUT
            )
        except RPCError as error:
            if error.status in (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT):
                return None
            raise unreachable(thread, error) from error
        info = answer.workflow_execution_info
        if info.type.name != WORKFLOW_TYPE:
            return None
        chain = info.first_run_id
        agent = self._known.get(chain) or await self._agent_of(thread, info.execution.run_id)
        if agent not in self._agents:
            return None
        if len(self._known) >= _KNOWN_THREADS:
            self._known.clear()
        self._known[chain] = agent
        status = workflow_status_name(info.status)
        return Thread(thread, agent, status in OPEN_STATUSES, status.lower())

    async def open(self, thread: str, agent: str) -> None:
        """Start a thread, or join the one that runs.

        Raises:
            WebError: If the thread has ended, or is another agent's.
        """
        found = await self.find(thread)
        if found is None:
            try:
                await ConversationClient.start(
                    self._client,
                    agent,
                    id=thread,
                    task_queue=self._task_queue,
                    arguments=self._agents[agent],
                    memo={AGENT_MEMO: agent},
                    id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                )
            except WorkflowAlreadyStartedError:
                found = await self.find(thread)
                if found is None:
                    raise WebError(f"The thread {thread!r} is not this agent's", NOT_FOUND, 404) from None
            except RPCError as error:
                raise unreachable(thread, error) from error
        if found is not None and found.agent != agent:
            raise WebError(f"The thread {thread!r} is not this agent's", NOT_FOUND, 404)
        if found is not None and not found.is_open:
            raise WebError(f"The thread {thread!r} has ended. Start another one", THREAD_ENDED, 409)

    async def requests(self, thread: str, *, is_open: bool = True) -> StreamRequests:
        """Return the thread's latest requests, and the end of its stream.

        Raises:
            WebError: If it cannot be asked, or has no stream.
        """
        return await self._query(thread, REQUESTS_QUERY, StreamRequests, is_open=is_open)

    async def state(self, thread: str, *, is_open: bool = True) -> ConversationState:
        """Return what the thread's conversation does now.

        Raises:
            WebError: If it cannot be asked.
        """
        return await self._query(thread, "state", ConversationState, is_open=is_open)

    async def messages(self, thread: str, start: int = 0) -> list[dict[str, Any]]:
        """Return the thread's messages, as Strands has them.

        Raises:
            WebError: If it cannot be asked.
        """

        async def ask() -> list[dict[str, Any]]:
            try:
                return await self.chat(thread).messages(start)
            except (RPCError, WorkflowQueryFailedError) as error:
                raise unreachable(thread, error) from error

        return await self._together(("messages", start, thread), ask)

    async def listed(self, limit: int, agent: str | None) -> Sequence[Thread]:
        """Return the threads that run, the latest first."""
        query = f"WorkflowType = '{WORKFLOW_TYPE}' AND ExecutionStatus = 'Running'"
        found: dict[str, Thread] = {}
        try:
            async for execution in self._client.list_workflows(query, limit=10 * limit):
                name = await self.agent_of(execution)
                if name and agent in (None, name):
                    found.setdefault(execution.id, Thread(execution.id, name, is_open=True))
                if len(found) >= limit:
                    break
        except RPCError as error:
            raise WebError(f"The server does not list the threads: {error}", UNREACHABLE, 503) from error
        return list(found.values())

    async def agent_of(self, execution: WorkflowExecution) -> str:
        """Return the agent of a workflow in a list; "" if it is none of the app's.

        Raises:
            WebError: If the server does not answer.
            RPCError: The same.
        """
        name = self._known.get(execution.run_id)
        if name is None:
            name = await execution.memo_value(AGENT_MEMO, None, type_hint=str)
            name = name or await self._agent_of(execution.id, execution.run_id)
            if len(self._known) >= _KNOWN_THREADS:
                self._known.clear()
            self._known[execution.run_id] = name
        return name if name in self._agents else ""

    async def _agent_of(self, thread: str, run: str) -> str:
        """Return the agent with which a run was started; "" if it tells none."""
        handle = self._client.get_workflow_handle(thread, run_id=run)
        try:
            event = await anext(handle.fetch_history_events(page_size=1))
        except RPCError as error:
            raise unreachable(thread, error) from error
        payloads = event.workflow_execution_started_event_attributes.input.payloads
        try:
            (start,) = await self._client.data_converter.decode(payloads, [ConversationStart])
        except Exception:  # noqa: BLE001  # a user's converter; or it is no conversation
            return ""
        return start.agent or ""

    async def _query(self, thread: str, name: str, type_: type[Any], *, is_open: bool) -> Any:
        """Ask a thread. Readers who ask at once get one answer. A worker that restarts is waited for."""

        async def ask() -> Any:
            handle = self._client.get_workflow_handle(thread)
            until = time.monotonic() + (_PATIENCE if is_open else _ENDED_PATIENCE)
            while True:
                try:
                    return await handle.query(name, result_type=type_, rpc_timeout=_QUERY_TIMEOUT)
                except WorkflowQueryFailedError as error:
                    raise WebError(
                        f"The thread {thread!r} does not answer {name!r}: {error.message}. Install "
                        "strands-temporal-streaming on the worker, in this release",
                        NO_STREAM,
                        503,
                    ) from error
                except RPCError as error:
                    if error.status not in _TRANSIENT or time.monotonic() > until:
                        raise unreachable(thread, error) from error
                await asyncio.sleep(_PAUSE)

        return await self._together(("query", name, thread), ask)

    async def _together(self, key: tuple[Any, ...], ask: Callable[[], Awaitable[Any]]) -> Any:
        """Return an answer, for which those who ask for the same while it is on its way ask once."""
        asking = self._asking.get(key)
        if asking is None:
            asking = self._asking[key] = asyncio.ensure_future(ask())
            asking.add_done_callback(lambda done: self._asking.pop(key, None) and _look_at(done))
        return await asyncio.shield(asking)


def _look_at(done: "asyncio.Future[Any]") -> None:
    """Look at an error, which nobody may have waited for until the end."""
    if not done.cancelled():
        done.exception()


def unreachable(thread: str, error: Exception) -> WebError:
    """Return the error for a thread that cannot be asked now."""
    return WebError(f"The thread {thread!r} cannot be asked now: {error}", UNREACHABLE, 503)
