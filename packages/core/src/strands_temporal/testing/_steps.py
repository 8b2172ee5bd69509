"""The steps of a `ScriptedModel`. A bad step fails where the test writes it."""

import inspect
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from strands.agent.agent_metadata import AgentMetadata
from strands.types.content import Message, Messages, SystemContentBlock
from strands.types.tools import ToolChoice, ToolResult, ToolSpec

from ._replies import Reply, is_error, say

_KNOWN = "say(...), use_tool(...), use_tools(...), fail(...), a string, or a function of the call"


@dataclass(frozen=True)
class ScriptedCall:
    """A copy of one call of a `ScriptedModel`.

    Attributes:
        messages: The conversation.
        tool_specs: The tools that the model could have called.
        system_prompt: The system prompt as text.
        system_prompt_content: The system prompt as content blocks.
        tool_choice: The tool that the model had to call, if any.
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
        """Text of the last message, including tool results. This is what a model would answer."""
        return "\n".join(_texts(self.messages[-1]["content"])) if self.messages else ""

    @property
    def prompt(self) -> str:
        """Text of the turn's prompt: of the last user message without tool results."""
        prompts = [m for m in self.messages if m["role"] == "user" and not _tool_results(m)]
        return "\n".join(_texts(prompts[-1]["content"])) if prompts else ""

    @property
    def tool_results(self) -> list[ToolResult]:
        """Tool results in the last message. Empty at the first call of a turn."""
        return _tool_results(self.messages[-1]) if self.messages else []

    @property
    def answers(self) -> int:
        """Number of messages in the conversation that a model gave, over all turns."""
        return sum(message["role"] == "assistant" for message in self.messages)

    @property
    def tool_names(self) -> list[str]:
        """Names of the tools that the model could have called."""
        return [spec["name"] for spec in self.tool_specs]


Step = Reply | str | Callable[[ScriptedCall], Reply | str | Awaitable[Reply | str]]
"""One step of a script. A function may be async."""


def checked_step(step: object, number: int) -> Reply | Callable[[ScriptedCall], Any]:
    """Return a step of a script as a reply or a function.

    Args:
        step: The test's step.
        number: The step's place in the script, from 1.

    Raises:
        TypeError: If `step` is not a step.
    """
    if isinstance(step, Reply):
        return step
    if isinstance(step, str):
        return say(step)
    where = f"ScriptedModel: step {number}"
    if _holds_steps(step):
        kind = type(step).__name__
        raise TypeError(f"{where} is a {kind}, {step!r}. Give the steps one by one: ScriptedModel(*steps)")
    if is_error(step):
        raise TypeError(f"{where}, {step!r}, is an exception. To raise it give fail({step!r})")
    if not callable(step) or isinstance(step, type):
        raise TypeError(f"{where}, {step!r}, is not a step. A step is {_KNOWN}")
    if inspect.isgeneratorfunction(step) or inspect.isasyncgenfunction(step):
        raise TypeError(f"{where}, {step!r}, yields. A function returns one reply; a step is {_KNOWN}")
    if not _takes_one(step):
        raise TypeError(f"{where}, {step!r}, cannot be called with the ScriptedCall: give `lambda call: ...`")
    return step


async def reply_of(step: Reply | Callable[[ScriptedCall], Any], call: ScriptedCall) -> Reply:
    """Return a step's reply to `call`. A function's text becomes `say(text)`.

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
            "say(...), use_tool(...), use_tools(...), fail(...) or a string"
        )
    return answer


def check_options(
    script: Sequence[Reply | Callable[[ScriptedCall], Any]], config: object, repeat: object
) -> None:
    """Check the options of a `ScriptedModel`.

    Raises:
        TypeError: If `config` is not a dict, or `repeat` not a bool.
        ValueError: If a script that repeats has no steps, or if one of its steps always fails.
    """
    if config is not None and not isinstance(config, dict):
        raise TypeError(f"ScriptedModel(config={config!r}): give a dict, as in config={{'model_id': 'mine'}}")
    if not isinstance(repeat, bool):
        raise TypeError(f"ScriptedModel(repeat={repeat!r}): give True or False")
    if not repeat:
        return
    if not script:
        raise ValueError(f"ScriptedModel(repeat=True) has no step to repeat. A step is {_KNOWN}")
    for number, step in enumerate(script, 1):
        if isinstance(step, Reply) and step.error is not None:
            raise ValueError(
                f"ScriptedModel(repeat=True): step {number} always raises {step.error!r}. A failed call adds "
                "no answer to the conversation, so each further attempt would get this step again. Give a "
                "function that decides when to fail, or leave repeat out"
            )


def _holds_steps(value: object) -> bool:
    return isinstance(value, (list, tuple, set, frozenset, Iterator))


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


def _tool_results(message: Message) -> list[ToolResult]:
    return [block["toolResult"] for block in message["content"] if "toolResult" in block]


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
