#!/usr/bin/env bash
# A hook that raises before one tool call cancels the calls that run beside it, and no hook hears of their end.
#
# Package: strands-agents 1.62.0. Tried on 2026-11-30.
# Guess: the turn fails, and each call that a BeforeToolCallEvent hook saw begin is also seen to end by an
# AfterToolCallEvent hook, as failed or cancelled; a hook that keeps a lock or a meter per call relies on it.
# Instead: the tool that already runs gets a CancelledError, and AfterToolCallEvent is sent for none of the two calls.
# The turn raises EventLoopException, and the conversation keeps two calls without results.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
uv venv -q "$tmp/v"
uv pip install -q --python "$tmp/v/bin/python" strands-agents==1.62.0
cat >"$tmp/siblings.py" <<'PY'
import asyncio
import logging
from typing import Any

from strands import Agent, tool
from strands.hooks import AfterToolCallEvent, BeforeToolCallEvent
from strands.models.model import Model

logging.disable()
running = asyncio.Event()


class Asks(Model):
    """Asks for two tools in one message."""

    def update_config(self, **config: Any) -> None: ...

    def get_config(self) -> Any:
        return {}

    async def structured_output(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError
        yield

    async def stream(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        yield {"messageStart": {"role": "assistant"}}
        for name in ("export", "refund"):
            yield {"contentBlockStart": {"start": {"toolUse": {"name": name, "toolUseId": name}}}}
            yield {"contentBlockDelta": {"delta": {"toolUse": {"input": "{}"}}}}
            yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "tool_use"}}


@tool
async def export() -> str:
    """Export."""
    running.set()
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        print("export: cancelled")
        raise
    return "exported"


@tool
async def refund() -> str:
    """Refund."""
    return "refunded"


async def begins(event: BeforeToolCallEvent) -> None:
    print("begins:", event.tool_use["name"])
    if event.tool_use["name"] == "refund":
        await running.wait()
        raise PermissionError("no licence")


def ends(event: AfterToolCallEvent) -> None:
    print("ends:", event.tool_use["name"])


async def main() -> None:
    agent = Agent(model=Asks(), tools=[export, refund], callback_handler=None)
    agent.add_hook(begins, BeforeToolCallEvent)
    agent.add_hook(ends, AfterToolCallEvent)
    try:
        await agent.invoke_async("go")
    except Exception as error:
        print(f"{type(error).__name__}: {error}")
    print("kept:", [next(iter(block)) for message in agent.messages for block in message["content"]])


asyncio.run(main())
PY
timeout 60 "$tmp/v/bin/python" "$tmp/siblings.py" | tee "$tmp/seen"
if diff "$tmp/seen" - <<'SEEN'; then echo "as stated"; else echo CHANGED; exit 1; fi
begins: export
begins: refund
export: cancelled
EventLoopException: no licence
kept: ['text', 'toolUse', 'toolUse']
SEEN
