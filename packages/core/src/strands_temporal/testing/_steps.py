"""The steps of a `ScriptedModel`. A bad step fails where the test writes it."""

import inspect
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from strands.agent.agent_metadata import AgentMetadata
from strands.types.content import Messages, SystemContentBlock
from strands.types.streaming import StreamEvent
from strands.types.tools import ToolChoice, ToolSpec

_KNOWN = "say(...), use_tool(...), use_tools(...), fail(...), a text, or a function of the call"


@dataclass(frozen=True)
class ScriptedCall:
    """A copy of one call of a `ScriptedModel`.

    Attributes:
        messages: The conversation.
        tool_specs: The tools that the model could have called.
        system_prompt: The system prompt as text.
        system_prompt_content: The system prompt as content blocks.
        tool_choice: The tool that it had to call, if any.
        invocation_state: The caller's values.
        agent_metadata: Metadata of the agent that called.
        other: Further keyword arguments of `Model.stream`.
        number: Number of calls of the model before this one.
    """

    messages: Messages
    tool_specs: list[ToolSpec]
    system_prompt: str | None
    system_prompt_content: list[SystemContentBlock] | None
    tool_choice: ToolChoice | None
    invocation_state: dict[str, Any]
    agent_metadata: AgentMetadata | None
    other: dict[str, Any] = field(default_factory=dict[str, Any])
    number: int = 0

    @property
    def text(self) -> str:
        """Text of the last message, including tool results. The model would answer it."""
        return "\n".join(_texts(self.messages[-1]["content"])) if self.messages else ""

    @property
    def tool_names(self) -> list[str]:
        """Names of the tools that the model could have called."""
        return [spec["name"] for spec in self.tool_specs]


@dataclass(frozen=True)
class Reply:
    """An answer of a `ScriptedModel`.

    Attributes:
        events: The events of the stream.
        error: Raised after the events.
        delay: Seconds before the first event.
        gap: Seconds between two events.
        wait_for: Called before the first event, and its result awaited, for steps that wait for the test.
    """

    events: tuple[StreamEvent, ...] = ()
    error: Exception | None = None
    delay: float = 0.0
    gap: float = 0.0
    wait_for: Callable[[], Any] | None = None

    def after(self, delay: float = 0.0, *, gap: float = 0.0) -> "Reply":
        """Return this reply, `delay` seconds late and with `gap` seconds between its events.

        Raises:
            TypeError: If one is not a number.
            ValueError: If one is negative.
        """
        for name, seconds in (("delay", delay), ("gap", gap)):
            _check_number(f"Reply.after({name}={seconds!r})", seconds, "seconds", 0)
        return replace(self, delay=delay, gap=gap)

    def when(self, wait_for: Callable[[], Any]) -> "Reply":
        """Return this reply, but send it only after awaiting the result of `wait_for`.

        Raises:
            TypeError: If `wait_for` is not callable.
        """
        if not callable(wait_for):
            raise TypeError(
                f"Reply.when({wait_for!r}): give a function that returns what to await: when(event.wait)"
            )
        return replace(self, wait_for=wait_for)


Step = Reply | str | Callable[[ScriptedCall], Reply | str | Awaitable[Reply | str]]
"""One step of a script. A function may be async."""


def say(text: str, *, chunk: int | None = None, usage: tuple[int, int] = (10, 5)) -> Reply:
    """Answer `text` and end the turn.

    Args:
        text: The answer.
        chunk: Characters per chunk; None sends it whole.
        usage: Input and output tokens to report.

    Raises:
        TypeError: If `text` is not a string, or `chunk` not a number.
        ValueError: If `chunk` is less than 1.
    """
    _check_text(f"say({text!r})", text)
    return Reply(_message([_text_block(text, chunk)], "end_turn", usage))


def use_tool(
    name: str,
    arguments: dict[str, Any] | str,
    *,
    tool_use_id: str | None = None,
    text: str | None = None,
    chunk: int | None = None,
) -> Reply:
    """Ask for one tool call.

    Args:
        name: The tool.
        arguments: Its arguments, or raw text as from a model that sends broken JSON.
        tool_use_id: Id of the call. By default it is made from the name.
        text: Said before the call.
        chunk: Characters of the arguments' JSON per chunk.

    Raises:
        TypeError: If the name or the arguments have a wrong type, or the arguments are not JSON.
        ValueError: If `chunk` is less than 1.
    """
    tool_use_id = f"{name}-1" if tool_use_id is None else tool_use_id
    _check_call("use_tool", (name, arguments, tool_use_id))
    return use_tools([(name, arguments, tool_use_id)], text=text, chunk=chunk)


def use_tools(
    calls: Sequence[tuple[str, dict[str, Any] | str, str]],
    *,
    text: str | None = None,
    chunk: int | None = None,
) -> Reply:
    """Ask for several tool calls at once, each given as name, arguments and id.

    Raises:
        TypeError: If a call is no such triple, or its arguments are not JSON.
        ValueError: If there is no call, or `chunk` is less than 1.
    """
    if not isinstance(calls, (list, tuple)):
        raise TypeError(f"use_tools({calls!r}): give a list of calls. {_A_CALL}")
    if not calls:
        raise ValueError(f"use_tools({calls!r}): no call. {_A_CALL}, or say(...) for an answer without one")
    for call in calls:
        _check_call("use_tools", call)
    if text is not None:
        _check_text(f"use_tools(text={text!r})", text)
    blocks = [_text_block(text, None)] if text is not None else []
    blocks += [_tool_block(name, arguments, tool_use_id, chunk) for name, arguments, tool_use_id in calls]
    return Reply(_message(blocks, "tool_use", (20, 10)))


def fail(error: Exception, *, after: Reply | None = None) -> Reply:
    """Raise `error`. With `after`, first send that reply's events (a stream that is cut off).

    Raises:
        TypeError: If `error` is not an exception, or `after` not a `Reply`.
    """
    if not _is_error(error):
        raise TypeError(f"fail({error!r}): give an exception, as in fail(RuntimeError({str(error)!r}))")
    if after is not None and not isinstance(cast("object", after), Reply):
        raise TypeError(f"fail(after={after!r}): give a reply, as in fail(error, after=say(...))")
    events = after.events[:-2] if after else ()  # without messageStop and metadata
    return Reply(events, error=error)


def checked_step(step: object, number: int) -> Reply | Callable[[ScriptedCall], Any]:
    """Return a step of a script as a reply or a function.

    Args:
        step: The test's step.
        number: Its place in the script, from 1.

    Raises:
        TypeError: If it is not a step.
    """
    if isinstance(step, Reply):
        return step
    if isinstance(step, str):
        return say(step)
    where = f"ScriptedModel: step {number}"
    if _holds_steps(step):
        kind = type(step).__name__
        raise TypeError(f"{where} is a {kind}, {step!r}. Give the steps one by one: ScriptedModel(*steps)")
    if _is_error(step):
        raise TypeError(f"{where}, {step!r}, is an exception. To raise it give fail({step!r})")
    if not callable(step) or isinstance(step, type):
        raise TypeError(f"{where}, {step!r}, is no step. A step is {_KNOWN}")
    if inspect.isgeneratorfunction(step) or inspect.isasyncgenfunction(step):
        raise TypeError(f"{where}, {step!r}, yields. A function returns one reply; a step is {_KNOWN}")
    if not _takes_one(step):
        raise TypeError(f"{where}, {step!r}, cannot be called with the ScriptedCall: give `lambda call: ...`")
    return step


async def reply_of(step: Reply | Callable[[ScriptedCall], Any], call: ScriptedCall) -> Reply:
    """Return a step's reply to `call`. If a function returns text, say it.

    Raises:
        TypeError: If the function returns something else.
    """
    if isinstance(step, Reply):
        return step
    answer: Any = step(call)
    if inspect.isawaitable(answer):
        answer = await answer
    if isinstance(answer, str):
        return say(answer)
    if not isinstance(answer, Reply):
        raise TypeError(
            f"ScriptedModel: at call {call.number + 1} the function {step!r} returned {answer!r}. Return "
            "say(...), use_tool(...), use_tools(...), fail(...) or a text"
        )
    return answer


_A_CALL = 'A call is a name, its arguments and an id: ("get_weather", {"city": "Bern"}, "id-1")'


def _check_call(function: str, call: object) -> None:
    """Raise if `call`, an argument of `function`, is not a name, arguments and an id."""
    if not isinstance(call, (tuple, list)) or len(cast("Sequence[object]", call)) != 3:
        raise TypeError(f"{function}: {call!r} is no call. {_A_CALL}")
    name, arguments, tool_use_id = cast("Sequence[object]", call)
    for what, value in (("name", name), ("id", tool_use_id)):
        if not isinstance(value, str):
            raise TypeError(f"{function}: the {what} {value!r} is not a string. {_A_CALL}")
    if not isinstance(arguments, (dict, str)):
        raise TypeError(
            f"{function}: the arguments {arguments!r} of {name!r} are neither a dict nor raw text. {_A_CALL}"
        )
    try:
        json.dumps(arguments)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{function}: the arguments {arguments!r} of {name!r} are no JSON ({error}). A model sends JSON"
        ) from error


def _check_text(where: str, text: object) -> None:
    if not isinstance(text, str):
        raise TypeError(f"{where}: {text!r} is not a text. Give a string, as in say({str(text)!r})")


def _check_number(where: str, number: object, what: str, least: int) -> None:
    if not isinstance(number, (int, float)):
        raise TypeError(f"{where}: give a number of {what}")
    if number < least:
        raise ValueError(f"{where}: give {least} or more {what}")


def _holds_steps(value: object) -> bool:
    return isinstance(value, (list, tuple, set, frozenset, Iterator))


def _is_error(value: object) -> bool:
    """Tell whether `raise` accepts it: an exception, or an exception class."""
    return isinstance(value, BaseException) or (isinstance(value, type) and issubclass(value, BaseException))


def _takes_one(function: Callable[..., object]) -> bool:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a builtin may have none
        return True
    try:
        signature.bind(None)
    except TypeError:
        return False
    return True


def _text_block(text: str, chunk: int | None) -> list[StreamEvent]:
    deltas: list[Any] = [{"contentBlockDelta": {"delta": {"text": part}}} for part in _parts(text, chunk)]
    return cast(
        "list[StreamEvent]", [{"contentBlockStart": {"start": {}}}, *deltas, {"contentBlockStop": {}}]
    )


def _tool_block(
    name: str, arguments: dict[str, Any] | str, tool_use_id: str, chunk: int | None
) -> list[StreamEvent]:
    raw = arguments if isinstance(arguments, str) else json.dumps(arguments)
    start: Any = {"contentBlockStart": {"start": {"toolUse": {"name": name, "toolUseId": tool_use_id}}}}
    deltas: list[Any] = [
        {"contentBlockDelta": {"delta": {"toolUse": {"input": part}}}} for part in _parts(raw, chunk)
    ]
    return cast("list[StreamEvent]", [start, *deltas, {"contentBlockStop": {}}])


def _message(
    blocks: Sequence[list[StreamEvent]], stop_reason: str, usage: tuple[int, int]
) -> tuple[StreamEvent, ...]:
    tokens = {"inputTokens": usage[0], "outputTokens": usage[1], "totalTokens": sum(usage)}
    events: list[Any] = [{"messageStart": {"role": "assistant"}}]
    for block in blocks:
        events += block
    events += [
        {"messageStop": {"stopReason": stop_reason}},
        {"metadata": {"usage": tokens, "metrics": {"latencyMs": 1}}},
    ]
    return tuple(events)


def _parts(text: str, chunk: int | None) -> list[str]:
    if chunk is not None:
        _check_number(f"chunk={chunk!r}", chunk, "characters", 1)
    return [text[i : i + chunk] for i in range(0, len(text), chunk)] if chunk else [text]


def _texts(content: Sequence[Any]) -> list[str]:
    found: list[str] = []
    for block in content:
        if "text" in block:
            found.append(block["text"])
        if "toolResult" in block:
            found += _texts(block["toolResult"]["content"])
        if "json" in block:
            found.append(json.dumps(block["json"]))
    return found
