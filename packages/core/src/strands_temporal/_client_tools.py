"""`ClientTools`: runs a workflow's client tools with functions of this process."""

import asyncio
import contextlib
import inspect
import logging
import os
import socket
import uuid
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, cast

from pydantic import BaseModel
from strands.tools.decorator import FunctionToolMetadata
from temporalio.client import Client

from ._client_tool_claims import OthersClaims
from ._client_tool_link import Link, RefusedError, WorkflowEndedError
from ._errors import AgentTypeError, AgentValueError, ClientToolRefusedError
from ._wire.client_tools import (
    ALREADY_ENDED,
    CLAIM_UPDATE,
    CLAIMED,
    PAST_DEADLINE,
    REFUSED_UPDATE,
    RESULT_UPDATE,
    UNKNOWN_CALL,
    ClientCall,
)
from ._wire.failure_sizes import cut
from ._wire.values import decode, encode_any, utf8_text

logger = logging.getLogger(__name__)

_FIRST_POLL = 0.05  # seconds between two looks at the workflow while something happens
_LONGEST_LEASE = timedelta(minutes=10)
_GIVE_BACK_SECONDS = 3.0  # how long a helper that ends tries to give its calls back
_GONE = (ALREADY_ENDED, PAST_DEADLINE, UNKNOWN_CALL)


class ClientTools:
    """Runs the client tools of one workflow with functions of this process.

        tools = ClientTools(client, "chat-7", {"read_file": read_file})
        await tools.serve()

    It follows the workflow over continue-as-new, and goes on over restarts of the server and of the workers.
    Several may serve one workflow: each call is claimed, so that one of them runs it. If that client dies,
    another runs the call, or the same one after its restart, when the claim has lapsed.

    A function gets the call's arguments by name, in the types of its hints. A plain function runs in a
    thread. What it returns is the tool's result, as with `strands.tool`. An exception becomes an error that
    the model reads; `ClientToolRefusedError` refuses the call. Calls of other tools are left to other
    clients.

    Args:
        client: Client of the workflow's namespace, with its data converter.
        workflow_id: The workflow.
        tools: Functions, async or not, by the names of the tools.
        name: Name of this client in claims and records, which no other client may have. By default host,
            process and a random part.
        poll_interval: How often to ask the server whether an idle workflow has gone on. Only if it has, the
            workflow is queried for calls.
        lease: How long a claim holds at first. It is renewed while the function runs, each time for twice as
            long, up to ten minutes. If this process dies, its calls wait for the rest of that time.
        outage_timeout: How long the server or the workers may not answer. None: for ever.

    Raises:
        AgentTypeError: If `tools` is not a mapping of functions.
        AgentValueError: If there are none, or a time is not positive.
    """

    def __init__(
        self,
        client: Client,
        workflow_id: str,
        tools: Mapping[str, Callable[..., Any]],
        *,
        name: str | None = None,
        poll_interval: timedelta = timedelta(seconds=1),
        lease: timedelta = timedelta(seconds=30),
        outage_timeout: timedelta | None = timedelta(minutes=10),
    ) -> None:
        if not isinstance(cast("Any", tools), Mapping):
            raise AgentTypeError(f'ClientTools: {tools!r} is not a mapping. Write {{"read_file": read_file}}')
        if not tools:
            raise AgentValueError('ClientTools: there are no tools. Write {"read_file": read_file}')
        for what, value in (("poll_interval", poll_interval), ("lease", lease)):
            if value <= timedelta(0):
                raise AgentValueError(f"ClientTools: {what}={value!r} is not positive")
        self._functions = {tool: _Function(tool, function) for tool, function in tools.items()}
        self._name = name or f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._poll_interval = poll_interval.total_seconds()
        self._lease = lease
        patience = None if outage_timeout is None else outage_timeout.total_seconds()
        self._link = Link(client, workflow_id, patience)
        self._running: dict[str, _Running] = {}
        self._left: set[str] = set()
        self._others = OthersClaims(lease.total_seconds())

    async def serve(self) -> None:
        """Run the workflow's calls until it has ended.

        Cancel it to stop: functions that run are cancelled, and their calls are given back to other clients.

        Raises:
            ClientToolsUnreachableError: If there is no such workflow, it has no client calls, or nobody
                answers for longer than `outage_timeout`.
            RPCError: If the server refuses, for example for want of permission.
        """
        pause = _FIRST_POLL
        try:
            while True:
                calls = await self._link.open_calls()
                ended = self._drop_ended({call.id for call in calls})
                begun = self._begin(calls)
                pause = _FIRST_POLL if ended or begun else min(pause * 1.5, self._poll_interval)
                if self._running:  # one may send its result, after which another call may come
                    tasks = [each.task for each in self._running.values()]
                    await asyncio.wait(tasks, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
                else:
                    await asyncio.sleep(pause)
        except WorkflowEndedError:
            await self._end(give_back=False)
        except BaseException:
            await self._end(give_back=True)
            raise

    def _begin(self, calls: list[ClientCall]) -> bool:
        """Start the calls that this client may run. Tell whether there are any."""
        begun = False
        for call in calls:
            if call.tool not in self._functions:
                if call.tool not in self._left:
                    logger.info("tool=<%s>, known=<%s> | left to others", call.tool, sorted(self._functions))
                self._left.add(call.tool)
            elif call.id not in self._running and self._is_free(call):
                running = self._running[call.id] = _Running(call)
                running.task = asyncio.create_task(self._run(running))
                begun = True
        return begun

    def _is_free(self, call: ClientCall) -> bool:
        """Tell whether a claim may succeed. The workflow decides, and ends what is past its deadline."""
        if call.claimed_by in (None, self._name) or call.claimed_until is None:
            return True
        return self._others.may_have_lapsed(call)

    def _drop_ended(self, open_ids: set[str]) -> bool:
        """Drop the calls that have ended. Cancel the functions whose calls nobody waits for any more."""
        self._others.keep_only(open_ids)
        ended = False
        for id_, running in list(self._running.items()):
            if running.task.done():
                ended = True
                del self._running[id_]
                if not running.task.cancelled():
                    running.task.result()  # raises what ends `serve`
            elif id_ not in open_ids and running.phase == "function":
                logger.info("call=<%s>, tool=<%s> | nobody waits for the call", id_, running.call.tool)
                running.stop()
        return ended

    async def _run(self, running: "_Running") -> None:
        """Claim a call, run its function and send the outcome."""
        call = running.call
        try:
            await self._claim(call, self._lease)
        except RefusedError as error:
            if error.kind not in (CLAIMED, *_GONE):
                raise
            return
        running.phase = "function"
        renewing = asyncio.create_task(self._renew(call))
        try:
            whole = await self._link.whole(call)
            if whole is None:  # it has ended meanwhile
                return
            update, message = await self._functions[call.tool].outcome(whole.arguments)
        except asyncio.CancelledError:
            if running.is_stopped:
                raise
            update, message = RESULT_UPDATE, {"error": "CancelledError - the function was cancelled"}
        finally:
            renewing.cancel()
        running.phase = "sending"
        await self._send(call, update, message)

    async def _claim(self, call: ClientCall, lease: timedelta) -> None:
        seconds = lease.total_seconds()
        await self._link.send(CLAIM_UPDATE, {"id": call.id, "by": self._name, "seconds": seconds})

    async def _renew(self, call: ClientCall) -> None:
        lease = self._lease
        while True:
            await asyncio.sleep(lease.total_seconds() / 2)
            lease = min(2 * lease, max(self._lease, _LONGEST_LEASE))
            try:
                await self._claim(call, lease)
            except Exception as error:  # noqa: BLE001  # the function goes on; sending its result tells more
                logger.warning("call=<%s>, error=<%s> | the claim was not renewed", call.id, error)
                return

    async def _send(self, call: ClientCall, update: str, message: dict[str, Any]) -> None:
        try:
            await self._link.send(update, {"id": call.id, "by": self._name, **message})
        except RefusedError as error:
            if error.kind in _GONE:
                logger.warning("call=<%s>, error=<%s> | the result came too late", call.id, error)
            elif "result" in message:  # it does not fit its schema, or is too large to send
                await self._send(call, RESULT_UPDATE, {"error": str(error)})
            else:
                raise

    async def _end(self, *, give_back: bool) -> None:
        """Cancel what runs, and give its calls back."""
        of, self._running = list(self._running.values()), {}
        held = [each.call for each in of if each.phase == "function"]
        sending = [each.task for each in of if each.phase == "sending"]
        for running in of:
            if running.phase != "sending":
                running.stop()
        if give_back:
            back = [self._claim(call, timedelta(0)) for call in held]
            with contextlib.suppress(asyncio.TimeoutError):
                ends = asyncio.gather(*back, *sending, return_exceptions=True)
                await asyncio.wait_for(ends, _GIVE_BACK_SECONDS)
        for running in of:
            running.stop()
        await asyncio.gather(*(each.task for each in of), return_exceptions=True)


class _Running:
    """A call that this client has begun.

    Attributes:
        call: The call.
        task: What claims it, runs its function and sends the outcome.
        phase: "claim", "function" or "sending".
        is_stopped: Whether this client has cancelled the task.
    """

    task: "asyncio.Task[None]"

    def __init__(self, call: ClientCall) -> None:
        self.call = call
        self.phase = "claim"
        self.is_stopped = False

    def stop(self) -> None:
        """Cancel the task."""
        self.is_stopped = True
        self.task.cancel()


class _Function:
    """A user's function, as the calls of a tool use it.

    Args:
        tool: Name of the tool.
        function: The function.

    Raises:
        AgentTypeError: If it cannot be called.
    """

    def __init__(self, tool: str, function: Any) -> None:
        if not callable(function):
            raise AgentTypeError(f"ClientTools: {tool}={function!r} is not a function")
        self._function: Callable[..., Any] = function
        self._is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
            getattr(function, "__call__", None)  # noqa: B004  # an object with an async `__call__`
        )
        self._model = _model_of(function)

    async def outcome(self, arguments: Any) -> tuple[str, dict[str, Any]]:
        """Run the function. Return the update for the workflow, and its message."""
        try:
            result = await self._call(decode(arguments))
            return RESULT_UPDATE, {"result": encode_any(result)}
        except ClientToolRefusedError as error:
            return REFUSED_UPDATE, {"reason": cut(utf8_text(str(error)))}
        except Exception as error:  # noqa: BLE001  # the model reads it, as with `strands.tool`
            text = str(error) if isinstance(error, ValueError) else f"{type(error).__name__} - {error}"
            return RESULT_UPDATE, {"error": cut(utf8_text(text))}

    async def _call(self, arguments: dict[str, Any]) -> Any:
        values = arguments if self._model is None else vars(self._model(**arguments))
        if self._is_async:
            return await self._function(**values)
        result = await asyncio.to_thread(self._function, **values)
        return await result if inspect.isawaitable(result) else result


def _model_of(function: Callable[..., Any]) -> type[BaseModel] | None:
    """Return the Pydantic model of a function's arguments; None if it takes any, or does not tell."""
    try:
        parameters = inspect.signature(function).parameters.values()
        if any(one.kind in (one.VAR_KEYWORD, one.POSITIONAL_ONLY) for one in parameters):
            return None
        return FunctionToolMetadata(function).input_model
    except (TypeError, ValueError, NameError):  # a builtin; a `partial`; hints that cannot be evaluated
        return None
