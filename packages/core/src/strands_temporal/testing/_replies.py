"""The answers of a `ScriptedModel`. An answer that no model could send fails where the test writes it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from strands.types.streaming import StreamEvent


@dataclass(frozen=True)
class Reply:
    """An answer of a `ScriptedModel`.

    Attributes:
        events: The events of the stream.
        error: Exception to raise after the events, if any.
        delay: Seconds before the first event.
        gap: Seconds between two events.
        wait_for: Function to call before the first event. Its result is awaited, so that a step can wait for
            the test.
    """

    events: tuple[StreamEvent, ...] = ()
    error: Exception | None = None
    delay: float = 0.0
    gap: float = 0.0
    wait_for: Callable[[], Any] | None = None

    def after(self, delay: float = 0.0, *, gap: float = 0.0) -> "Reply":
        """Return this reply, `delay` seconds late and with `gap` seconds between its events.

        Raises:
            TypeError: If `delay` or `gap` is not a number.
            ValueError: If `delay` or `gap` is negative.
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


def say(text: str, *, chunk: int | None = None, usage: tuple[int, int] = (10, 5)) -> Reply:
    """Answer with `text` and end the turn.

    Args:
        text: The answer.
        chunk: Characters per chunk; None sends the text whole.
        usage: Input and output tokens to report.

    Raises:
        TypeError: If `text` is not a string, `chunk` not a number, or `usage` not two numbers.
        ValueError: If `chunk` is less than 1.
    """
    _check_text(f"say({text!r})", text)
    given: Any = usage
    if not isinstance(given, tuple) or [type(t) for t in cast("tuple[Any, ...]", given)] != [int, int]:
        raise TypeError(f"say(usage={usage!r}): give input and output tokens, as in usage=(10, 5)")
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
        text: Text to say before the call.
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
        TypeError: If a call is not such a triple, or its arguments are not JSON.
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
    """Raise `error`. With `after`, first send that reply's events, as in a stream that is cut off.

    Raises:
        TypeError: If `error` is not an exception, or `after` not a `Reply`.
    """
    if not is_error(error):
        raise TypeError(f"fail({error!r}): give an exception, as in fail(RuntimeError({str(error)!r}))")
    if after is not None and not isinstance(cast("object", after), Reply):
        raise TypeError(f"fail(after={after!r}): give a reply, as in fail(error, after=say(...))")
    events = after.events[:-2] if after else ()  # without messageStop and metadata
    return Reply(events, error=error)


def is_error(value: object) -> bool:
    """Tell whether `raise` accepts `value`: an exception, or an exception class."""
    return isinstance(value, BaseException) or (isinstance(value, type) and issubclass(value, BaseException))


_A_CALL = 'A call is a name, its arguments and an id: ("get_weather", {"city": "Bern"}, "id-1")'


def _check_call(function: str, call: object) -> None:
    """Raise if `call`, an argument of `function`, is not a name, arguments and an id."""
    if not isinstance(call, (tuple, list)) or len(cast("Sequence[object]", call)) != 3:
        raise TypeError(f"{function}: {call!r} is not a call. {_A_CALL}")
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
            f"{function}: the arguments {arguments!r} of {name!r} are not JSON ({error}). A model sends JSON"
        ) from error


def _check_text(where: str, text: object) -> None:
    if not isinstance(text, str):
        raise TypeError(f"{where}: {text!r} is not a string. Give one, as in say({str(text)!r})")


def _check_number(where: str, number: object, what: str, least: int) -> None:
    if not isinstance(number, (int, float)):
        raise TypeError(f"{where}: give a number of {what}")
    if number < least:
        raise ValueError(f"{where}: give {least} or more {what}")


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
