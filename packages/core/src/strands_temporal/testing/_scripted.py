"""`ScriptedModel`: a Strands model that plays a script and records its calls."""

import asyncio
import copy
from collections.abc import AsyncGenerator, Callable
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

from ._replies import Reply
from ._steps import ScriptedCall, Step, check_options, checked_step, reply_of

T = TypeVar("T", bound=BaseModel)


class ScriptedModel(Model):
    """A model for tests: each call takes the next step of a script.

    A step is a `Reply`, a string to say, or a function (async or not) that gets the call and returns a reply
    or a string. If the only step is a function, the function answers every call. `calls` has the input of
    each call. A call after the last step fails and says so, unless the script repeats.

    With `repeat`, the place in the script comes from the conversation: it is the number of answers that the
    conversation already has. So the script can serve a worker: conversations run side by side, another
    worker goes on after a restart, and another attempt of a call gets the same step.

    Args:
        *script: The steps, or one function.
        config: The configuration that `get_config` returns.
        repeat: Whether the first step follows the last one.

    Raises:
        TypeError: If something else is given as a step, `config` is not a dict, or `repeat` not a bool.
        ValueError: If `repeat` has no step, or a step that always fails.
    """

    def __init__(self, *script: Step, config: dict[str, Any] | None = None, repeat: bool = False) -> None:
        self.script: tuple[Reply | Callable[[ScriptedCall], Any], ...] = tuple(
            checked_step(step, number) for number, step in enumerate(script, 1)
        )
        check_options(self.script, config, repeat)
        self.repeat = repeat
        self.calls: list[ScriptedCall] = []
        self.config: dict[str, Any] = {"model_id": "scripted", **(config or {})}

    @override
    def update_config(self, **model_config: Any) -> None:
        """Change the configuration that `get_config` returns."""
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
        reply = await reply_of(self._step(call), call)
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
        """Play the next step, which must call the tool named after `output_model`, as with Bedrock."""
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

    def _step(self, call: ScriptedCall) -> Reply | Callable[[ScriptedCall], Any]:
        if len(self.script) == 1 and not isinstance(self.script[0], Reply):
            return self.script[0]
        if self.repeat:
            return self.script[call.answers % len(self.script)]
        if call.number >= len(self.script):
            raise AssertionError(
                f"ScriptedModel: call {call.number + 1} came, the script has {len(self.script)} steps. "
                f"The last message is {call.text!r}"
            )
        return self.script[call.number]
