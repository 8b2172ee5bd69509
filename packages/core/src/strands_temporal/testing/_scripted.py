"""`ScriptedModel`: a Strands model that plays a script, and remembers what it was given."""

import asyncio
import copy
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

from pydantic import BaseModel
from strands.agent.agent_metadata import AgentMetadata
from strands.event_loop.streaming import process_stream
from strands.models import Model
from strands.tools.structured_output.structured_output_utils import convert_pydantic_to_tool_spec
from strands.types.content import Messages, SystemContentBlock
from strands.types.streaming import StreamEvent
from strands.types.tools import ToolChoice, ToolSpec
from typing_extensions import override

T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True)
class ScriptedCall:
    """One call of a `ScriptedModel`, copied as it came.

    Attributes:
        messages: The conversation that the model was given.
        tool_specs: The tools that it could have called.
        system_prompt: The system prompt as text.
        system_prompt_content: The system prompt as content blocks.
        tool_choice: The tool that it had to call, if any.
        invocation_state: The caller's values.
        agent_metadata: Who called.
        other: Further keyword arguments of `Model.stream`.
        number: How many calls the model had before this one.
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
        """Text of the last message, tool results included: what the model would answer to."""
        return "\n".join(_texts(self.messages[-1]["content"])) if self.messages else ""

    @property
    def tool_names(self) -> list[str]:
        """Names of the tools that the model was offered."""
        return [spec["name"] for spec in self.tool_specs]


@dataclass(frozen=True)
class Reply:
    """What a `ScriptedModel` answers.

    Attributes:
        events: The events of the stream.
        error: Raised after the events.
        delay: Seconds before the first event.
        gap: Seconds between two events.
        wait_for: Called before the first event; awaited, for steps that wait on the test.
    """

    events: tuple[StreamEvent, ...] = ()
    error: Exception | None = None
    delay: float = 0.0
    gap: float = 0.0
    wait_for: Callable[[], Any] | None = None

    def after(self, delay: float = 0.0, *, gap: float = 0.0) -> "Reply":
        """Return this reply, `delay` seconds late and with `gap` seconds between its events."""
        return replace(self, delay=delay, gap=gap)

    def when(self, wait_for: Callable[[], Any]) -> "Reply":
        """Return this reply, sent when what `wait_for` returns has been awaited."""
        return replace(self, wait_for=wait_for)


Step = Reply | str | Callable[[ScriptedCall], Reply]


def say(text: str, *, chunk: int | None = None, usage: tuple[int, int] = (10, 5)) -> Reply:
    """Answer `text` and end the turn.

    Args:
        text: The answer.
        chunk: Characters per chunk; None sends it whole.
        usage: Input and output tokens to report.
    """
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
        arguments: Its arguments, or raw text where a model would send broken JSON.
        tool_use_id: Id of the call; made from the name when not given.
        text: Said before the call.
        chunk: Characters of the arguments' JSON per chunk.
    """
    return use_tools([(name, arguments, tool_use_id or f"{name}-1")], text=text, chunk=chunk)


def use_tools(
    calls: Sequence[tuple[str, dict[str, Any] | str, str]],
    *,
    text: str | None = None,
    chunk: int | None = None,
) -> Reply:
    """Ask for several tool calls at once, each given as name, arguments and id."""
    blocks = [_text_block(text, None)] if text is not None else []
    blocks += [_tool_block(name, arguments, tool_use_id, chunk) for name, arguments, tool_use_id in calls]
    return Reply(_message(blocks, "tool_use", (20, 10)))


def fail(error: Exception, *, after: Reply | None = None) -> Reply:
    """Raise `error`; with `after`, when that reply's events have been sent (a stream that is cut)."""
    events = after.events[:-2] if after else ()  # without messageStop and metadata
    return Reply(events, error=error)


class ScriptedModel(Model):
    """A model for tests: each call takes the next step of a script.

    A step is a `Reply`, a text that is said, or a function that looks at the call and returns a `Reply`; one
    function alone answers every call. What the model was given is in `calls`. A call after the last step
    fails, and says so.

    Args:
        *script: The steps, or one function.
        config: What `get_config` returns.

    Raises:
        TypeError: If something else is given as a step.
    """

    def __init__(self, *script: Step, config: dict[str, Any] | None = None) -> None:
        self.script: tuple[Reply | Callable[[ScriptedCall], Reply], ...] = tuple(
            _checked_step(step, number) for number, step in enumerate(script, 1)
        )
        self.calls: list[ScriptedCall] = []
        self.config: dict[str, Any] = {"model_id": "scripted", **(config or {})}

    @override
    def update_config(self, **model_config: Any) -> None:
        """Change what `get_config` returns."""
        self.config.update(model_config)

    @override
    def get_config(self) -> dict[str, Any]:
        """Return the configuration."""
        return self.config

    @override
    async def stream(
        self,
        messages: Messages,
        tool_specs: list[ToolSpec] | None = None,
        system_prompt: str | None = None,
        *,
        tool_choice: ToolChoice | None = None,
        system_prompt_content: list[SystemContentBlock] | None = None,
        invocation_state: dict[str, Any] | None = None,
        cancel_signal: Any = None,
        agent_metadata: AgentMetadata | None = None,
        structured_output_model: type[BaseModel] | None = None,
        **kwargs: Any,
    ) -> AsyncGenerator[StreamEvent, None]:
        """Play the next step."""
        call = ScriptedCall(
            messages=copy.deepcopy(messages),
            tool_specs=copy.deepcopy(tool_specs or []),
            system_prompt=system_prompt,
            system_prompt_content=copy.deepcopy(system_prompt_content),
            tool_choice=copy.deepcopy(tool_choice),
            invocation_state=dict(invocation_state or {}),
            agent_metadata=agent_metadata,
            other=dict(kwargs),
            number=len(self.calls),
        )
        self.calls.append(call)
        reply = self._reply(call)
        if reply.wait_for is not None:
            await reply.wait_for()
        if reply.delay:
            await asyncio.sleep(reply.delay)
        for event in reply.events:
            yield copy.deepcopy(event)
            if reply.gap:
                await asyncio.sleep(reply.gap)
        if reply.error is not None:
            raise reply.error

    @override
    async def structured_output(
        self, output_model: type[T], prompt: Messages, system_prompt: str | None = None, **kwargs: Any
    ) -> AsyncGenerator[dict[str, T | Any], None]:
        """Play the next step, which is to call the tool named as `output_model`; as Bedrock's model does."""
        spec = convert_pydantic_to_tool_spec(output_model)
        chunks = self.stream(prompt, [spec], system_prompt, tool_choice={"any": {}}, **kwargs)
        content: list[Any] = []
        async for event in process_stream(chunks):
            if "stop" in event:
                content = cast("Any", event["stop"])[1]["content"]
            yield dict(event)
        for block in content:
            if "toolUse" in block and block["toolUse"]["name"] == spec["name"]:
                yield {"output": output_model(**block["toolUse"]["input"])}
                return
        raise ValueError(f"ScriptedModel: the step did not call the tool {spec['name']!r}")

    def _reply(self, call: ScriptedCall) -> Reply:
        if len(self.script) == 1 and not isinstance(self.script[0], Reply):
            return self.script[0](call)
        if call.number >= len(self.script):
            raise AssertionError(
                f"ScriptedModel: call {call.number + 1} came, the script has {len(self.script)} steps. "
                f"The last message is {call.text!r}"
            )
        step = self.script[call.number]
        return step if isinstance(step, Reply) else step(call)


def _checked_step(step: object, number: int) -> Reply | Callable[[ScriptedCall], Reply]:
    if isinstance(step, Reply):
        return step
    if isinstance(step, str):
        return say(step)
    if isinstance(step, (list, tuple)):
        given = type(step).__name__  # pyright: ignore[reportUnknownArgumentType]  # of whatever
        raise TypeError(
            f"ScriptedModel: step {number} is a {given}, {step!r}. Give the steps one by one: "
            "ScriptedModel(*steps)"
        )
    if not callable(step):
        raise TypeError(
            f"ScriptedModel: step {number}, {step!r}, is no step. A step is say(...), use_tool(...), "
            "use_tools(...), fail(...), a text, or a function of the call"
        )
    return cast("Callable[[ScriptedCall], Reply]", step)


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
