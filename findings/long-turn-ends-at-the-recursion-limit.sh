#!/usr/bin/env bash
# A turn of an agent ends at Python's recursion limit after some hundreds of tool calls.
#
# Package: strands-agents 1.62.0. Tried on 2026-11-30 with Python 3.11.
# Guess: an agent may call tools as often as the model asks for them; only `limits` and the context window end a turn.
# Instead: each cycle of the event loop calls the next one, so the stack grows with each model call. With Python's
# default recursion limit the turn raises EventLoopException, caused by RecursionError, within 400 tool calls.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
uv venv -q -p 3.11 "$tmp/v"
uv pip install -q --python "$tmp/v/bin/python" strands-agents==1.62.0
cat >"$tmp/long_turn.py" <<'PY'
import asyncio
from collections.abc import AsyncIterator
from typing import Any

from strands import Agent, tool
from strands.models import Model


@tool
def step(number: int) -> str:
    """Do a step."""
    return f"step {number} done"


class Counting(Model):
    """Asks for one tool call after the other."""

    def __init__(self, steps: int) -> None:
        self.steps, self.calls = steps, 0

    def update_config(self, **model_config: Any) -> None: ...

    def get_config(self) -> Any:
        return {}

    def structured_output(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    async def stream(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        self.calls += 1
        yield {"messageStart": {"role": "assistant"}}
        if self.calls > self.steps:
            yield {"contentBlockStart": {"start": {}}}
            yield {"contentBlockDelta": {"delta": {"text": "done"}}}
            yield {"contentBlockStop": {}}
            yield {"messageStop": {"stopReason": "end_turn"}}
            return
        use = {"toolUseId": f"t{self.calls}", "name": "step"}
        yield {"contentBlockStart": {"start": {"toolUse": use}}}
        yield {"contentBlockDelta": {"delta": {"toolUse": {"input": f'{{"number": {self.calls}}}'}}}}
        yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "tool_use"}}


async def main() -> None:
    for steps in (50, 400):
        agent = Agent(Counting(steps), tools=[step], callback_handler=None)
        try:
            print(f"{steps} tool calls: {str(await agent.invoke_async('Begin')).strip()}")
        except Exception as error:
            print(f"{steps} tool calls: {type(error).__name__} from {type(error.__cause__).__name__}")


asyncio.run(main())
PY
"$tmp/v/bin/python" "$tmp/long_turn.py" 2>/dev/null | tee "$tmp/seen"
if diff "$tmp/seen" - <<'SEEN'; then echo "as stated"; else echo CHANGED; exit 1; fi
50 tool calls: done
400 tool calls: EventLoopException from RecursionError
SEEN
