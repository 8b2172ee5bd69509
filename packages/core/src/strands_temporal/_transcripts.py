"""The conversation on its way from the workflow to the model's worker.

`whole` writes a transcript in the workflow, `resolve` reads it on the worker. Today a call carries all of it.
"""

from collections.abc import Sequence
from typing import Any, cast

from strands.types.content import Messages, SystemContentBlock, split_system_prompt
from strands.types.tools import ToolSpec

from ._types import Transcript
from ._wire import decode, encode


def whole(
    messages: Messages,
    tool_specs: Sequence[ToolSpec] | None,
    system_prompt: str | None,
    system_blocks: Sequence[SystemContentBlock] | None,
) -> Transcript:
    """Return the transcript that carries everything a model call is about."""
    said_by_blocks, _ = split_system_prompt(list(system_blocks) if system_blocks is not None else None)
    return Transcript(
        messages=encode(messages),
        tool_specs=encode(tool_specs) if tool_specs else None,
        system_prompt=None if said_by_blocks == system_prompt else system_prompt,
        system_blocks=encode(system_blocks) if system_blocks is not None else None,
    )


def resolve(
    transcript: Transcript,
) -> tuple[Messages, list[ToolSpec] | None, str | None, list[SystemContentBlock] | None]:
    """Return messages, tool specs, system prompt and system blocks as the agent loop had them."""
    blocks = cast("list[SystemContentBlock] | None", decode(transcript.system_blocks))
    said_by_blocks, _ = split_system_prompt(blocks)
    specs: Any = decode(transcript.tool_specs)
    return (
        cast("Messages", decode(transcript.messages)),
        cast("list[ToolSpec] | None", specs),
        transcript.system_prompt if transcript.system_prompt is not None else said_by_blocks,
        blocks,
    )
