"""`ClientCalls`: a workflow's calls of client tools, which wait until a client has run them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, cast

from strands import Agent
from strands.agent.agent_result import AgentResult
from strands.interrupt import Interrupt
from strands.types.agent import AgentInput
from temporalio import workflow

from .._errors import AgentTypeError, AgentValueError
from .._upstream.private_api import end_waiting
from .._upstream.run_local import run_local
from .._wire.client_tools import CALLS_QUERY, ClientCall
from .._wire.values import json_size
from .client_call_book import CallBook
from .client_call_inbox import CallInbox
from .client_call_waits import PausedCalls, is_client_call, waiting_interrupts
from .current_details import describe_query, set_details_line

_PAGE = 1_000_000
"""Bytes of arguments and schemas in one answer to `CALLS_QUERY`. Answers above 2 MiB fail."""

_ABOUT_CALLS = (
    "The calls that wait for a client to run them. With the id of a call: that call alone, never cut"
)


class ClientCalls:
    """Waits for the results of client tools, and gives them to the agents. Runs in a workflow.

    Make one per workflow, in its `__init__`, and let it run the agents:

        self.calls = ClientCalls()
        ...
        result = await self.calls.run(agent, prompt)

    A workflow with `Approvals` or a `Conversation` has one already. It answers the updates
    `client_tool_result`, `client_tool_refused` and `client_tool_claim` and the query `client_tool_calls`,
    which `ClientTools` uses from any process.

    Args:
        carried: The value that `carry()` returned in the previous run (continue-as-new). Calls keep their
            deadlines.

    Raises:
        AgentValueError: If the workflow has one already.
    """

    def __init__(self, carried: Mapping[str, Any] | None = None) -> None:
        of_run = run_local(_OfRun)
        if of_run.calls is not None:
            raise AgentValueError(
                "This workflow already has ClientCalls: an Approvals or a Conversation made them, and "
                "carries them too. Make ClientCalls(...) before it, or leave it out"
            )
        of_run.calls = self
        self._book = CallBook()
        self._inbox = CallInbox(self._book)
        self.take_over(carried)
        self._inbox.open()
        workflow.set_query_handler(CALLS_QUERY, self._calls_query)
        describe_query(CALLS_QUERY, _ABOUT_CALLS)
        set_details_line("client calls", self._details)

    @property
    def pending(self) -> list[ClientCall]:
        """The calls that wait for a client, oldest first."""
        return self._book.open_calls

    def carry(self) -> dict[str, Any]:
        """Return the calls for the next run of the workflow, beside the agents' carries, as JSON values.

        It holds the open calls with their deadlines, results that no agent got yet, and the answers to recent
        updates.
        """
        return {**self._book.carried(), **self._inbox.carried()}

    def take_over(self, carried: Mapping[str, Any] | None) -> None:
        """Take over what `carry()` returned in the previous run. The same value may be given twice."""
        if carried is None:
            return
        if not isinstance(cast("Any", carried), Mapping):
            raise AgentTypeError(f"ClientCalls: {carried!r} is not a value of calls.carry()")
        self._book.take_over(carried)
        self._inbox.take_over(carried)

    async def run(
        self,
        agent: Agent,
        prompt: AgentInput = None,
        *,
        stop_waiting_when: Callable[[], bool] | None = None,
        **kwargs: Any,
    ) -> AgentResult:
        """Run one turn of the agent, with the clients' results of all its client tools.

        If the agent paused in an earlier run of the workflow, and was carried over, run it without a prompt.

        Args:
            agent: The agent.
            prompt: As for `agent.invoke_async`.
            stop_waiting_when: Function that returns true if `run` should stop waiting for clients, for
                example `workflow.info().is_continue_as_new_suggested`. The calls stay open.
            **kwargs: As for `agent.invoke_async`, in the first call and in each one that resumes it.

        Returns:
            The final result. Its stop reason is "interrupt" if `stop_waiting_when` became true, or if
            something asks people: answer that by `run(agent, [{"interruptResponse": ...}])`. Client tools of
            the same message are called after that.
        """
        if not isinstance(cast("Any", agent), Agent):
            raise AgentTypeError(
                f"ClientCalls.run: a {type(agent).__name__} is no agent. For a graph or a swarm use "
                "Approvals.run (strands_temporal_hitl), or calls.wait(interrupts)"
            )
        waiting = waiting_interrupts(agent) if prompt is None else []
        if waiting and all(map(is_client_call, waiting)):
            message = agent.messages[-1] if agent.messages else {"role": "assistant", "content": []}
            result = AgentResult("interrupt", cast("Any", message), agent.event_loop_metrics, {}, waiting)
            stopped = False
        else:
            result, stopped = await _invoke(agent, prompt, kwargs)
        signals = [each for each in (kwargs.get("cancel_signal"), agent.cancel_signal) if each is not None]
        while result.stop_reason == "interrupt":
            asked = [one for one in result.interrupts or () if one.response is None]
            if not asked or not all(map(is_client_call, asked)):
                return result
            if stopped:
                agent.cancel()  # it was stopped while another tool ran: the stop counts
            answers = await self.wait(
                asked,
                stop_waiting_when,
                agent_id=agent.agent_id,
                stopped=lambda: any(each.is_set() for each in signals),
            )
            if answers is None:
                return result
            result, stopped = await _invoke(agent, cast("Any", answers), kwargs)
        end_waiting(agent)
        return result

    async def wait(
        self,
        interrupts: Sequence[Interrupt],
        stop_waiting_when: Callable[[], bool] | None = None,
        *,
        agent_id: str = "default",
        stopped: Callable[[], bool] | None = None,
    ) -> list[dict[str, Any]] | None:
        """Wait until clients have answered an agent's calls. Return the answers, to call the agent with.

        Args:
            interrupts: The interrupts of client tools (`is_client_call`) with which the agent paused.
            stop_waiting_when: As in `run`.
            agent_id: The agent's `agent_id`.
            stopped: Function that tells whether the agent was stopped. Its calls are then withdrawn.

        Returns:
            A block `interruptResponse` for each interrupt. None if `stop_waiting_when` became true.
        """
        return await self.open(interrupts, agent_id).wait(stop_waiting_when, stopped)

    def open(self, interrupts: Sequence[Interrupt], agent_id: str = "default") -> PausedCalls:
        """Show an agent's calls to clients, and return what waits for their answers."""
        return PausedCalls(self._book, self._book.open(interrupts, agent_id, workflow.now()))

    def has_released(self, agent_id: str) -> bool:
        """Tell whether calls of this agent wait that a `wait` gave up, in this run or an earlier one."""
        return self._book.has_released(agent_id)

    def _calls_query(self, id_: Any = None, *_: Any) -> list[dict[str, Any]]:
        """Return the open calls, or one of them. If not all fit, large ones are cut and small ones whole."""
        if isinstance(id_, str):
            return [asdict(call) for call in self.pending if call.id == id_]
        sizes = {call.id: json_size([call.arguments, call.output_schema]) for call in self.pending}
        whole: set[str] = set()
        room = _PAGE
        for call_id in sorted(sizes, key=lambda each: sizes[each]):
            room -= sizes[call_id]
            if room < 0 and whole:  # one is whole in any case, for clients that fetch none
                break
            whole.add(call_id)
        return [
            asdict(call if call.id in whole else replace(call, arguments=None, output_schema=None, cut=True))
            for call in self.pending
        ]

    def _details(self) -> str | None:
        tools = [call.tool[:64] for call in self.pending]
        if not tools:
            return None
        waits = "1 call waits" if len(tools) == 1 else f"{len(tools)} calls wait"
        more = f", and {len(tools) - 5} more" if len(tools) > 5 else ""
        return f"{waits} for a client: {', '.join(tools[:5])}{more}"


class _OfRun:
    """The `ClientCalls` of one run."""

    def __init__(self) -> None:
        self.calls: ClientCalls | None = None


def client_calls() -> ClientCalls:
    """Return the `ClientCalls` of this run of the workflow. The first use makes it."""
    return run_local(_OfRun).calls or ClientCalls()


async def _invoke(agent: Agent, prompt: AgentInput, kwargs: Mapping[str, Any]) -> tuple[AgentResult, bool]:
    """Call an agent as `invoke_async` does. Also tell whether it was stopped meanwhile."""
    result, stopped = None, False
    async for event in agent.stream_async(prompt, **kwargs):
        if "result" in event:
            result, stopped = event["result"], agent.cancel_signal.is_set()  # cleared when the stream ends
    return cast("AgentResult", result), stopped
