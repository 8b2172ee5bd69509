#!/usr/bin/env bash
# A sub-agent of the harness agent that asks a person fails, because the harness runs sub-agents in the background.
#
# Packages: strands-harness 0.3.2, strands-agents 1.62.0. Tried on 2026-11-30.
# Guess: the question of a sub-agent becomes an interrupt of the agent that called it, as the source of the
# harness's `subagent` tool says ("propagates its interrupts to the parent for resume").
# Instead: `create_harness` has the tool `subagent` always run as a background task, and Strands turns an interrupt
# in a background task into a failed task: the invocation ends without a question, and the model is told that the
# task failed. With `background_tasks=False` the agent stops with the sub-agent's interrupt.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
uv venv -q "$tmp/v"
uv pip install -q --python "$tmp/v/bin/python" strands-agents==1.62.0 strands-harness==0.3.2
cat >"$tmp/ask.py" <<'PY'
import asyncio
import json
import logging
import os
from typing import Any

from strands import tool
from strands.models import Model
from strands.types.tools import ToolContext
from strands_harness import create_harness

logging.disable(logging.CRITICAL)
told: list[str] = []


@tool(context=True)
def confirm(tool_context: ToolContext) -> str:
    """Ask a person."""
    return str(tool_context.interrupt("confirm", reason="really?"))


class Scripted(Model):
    """The owner delegates once, and its sub-agent asks once."""

    def update_config(self, **config: Any) -> None: ...
    def get_config(self) -> dict[str, Any]:
        return {}

    def structured_output(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    async def stream(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        text = json.dumps(messages)
        use = None
        if "ask the person" in text and "delegate" not in text:
            use = None if "toolResult" in text else ("confirm", {})
        elif "toolUse" not in text:
            use = ("subagent", {"task": "ask the person"})
        else:
            told.append(text)
        yield {"messageStart": {"role": "assistant"}}
        if use:
            yield {"contentBlockStart": {"start": {"toolUse": {"name": use[0], "toolUseId": use[0]}}}}
            yield {"contentBlockDelta": {"delta": {"toolUse": {"input": json.dumps(use[1])}}}}
        else:
            yield {"contentBlockStart": {"start": {}}}
            yield {"contentBlockDelta": {"delta": {"text": "done"}}}
        yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "tool_use" if use else "end_turn"}}


async def main() -> None:
    for background in (None, False):
        told.clear()
        agent = create_harness(
            model=Scripted(),
            tools=[confirm],
            builtin_tools=["subagent"],
            builtin_plugins=[],
            background_tasks=background,
            session=False,
            memory=False,
            skills=False,
            callback_handler=None,
        )
        result = await asyncio.wait_for(agent.invoke_async("delegate"), 60)
        failed = any("Interrupt raised" in text for text in told)
        print(f"background_tasks={background}: {result.stop_reason}; the model reads of a failure: {failed}")


asyncio.run(main())
os._exit(0)
PY
cd "$tmp"
timeout 120 "$tmp/v/bin/python" "$tmp/ask.py" 2>/dev/null | grep ^background | tee "$tmp/seen"
if diff "$tmp/seen" - <<'SEEN'; then echo "as stated"; else echo CHANGED; exit 1; fi
background_tasks=None: end_turn; the model reads of a failure: True
background_tasks=False: interrupt; the model reads of a failure: False
SEEN
