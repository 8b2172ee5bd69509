#!/usr/bin/env bash
# An AfterToolCallEvent hook that raises once does not end the agent's invocation.
#
# Packages: strands-agents 1.62.0. Tried on 2026-11-29.
# Guess: an exception of the hook ends the invocation, as an exception of a BeforeToolCallEvent hook does.
# Instead: Strands replaces the tool's good result by an error result with the exception's text, and calls the
# hook again, with that exception. The invocation ends only if the hook raises again.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
uv venv -q "$tmp/v"
uv pip install -q --python "$tmp/v/bin/python" strands-agents==1.62.0
cat >"$tmp/try.py" <<'PY'
import asyncio
import logging
from typing import Any

from strands import Agent, tool
from strands.hooks import AfterToolCallEvent, BeforeToolCallEvent
from strands.models import Model

logging.disable(logging.CRITICAL)


class Scripted(Model):
    """Asks for the tool `pay` once, then repeats the tool's result."""

    def update_config(self, **config: Any) -> None: ...
    def get_config(self) -> dict[str, Any]:
        return {}

    def structured_output(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    async def stream(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        results = [block["toolResult"] for block in messages[-1]["content"] if "toolResult" in block]
        yield {"messageStart": {"role": "assistant"}}
        if results:
            yield {"contentBlockStart": {"start": {}}}
            text = f"{results[0]['status']}: {results[0]['content'][0]['text']}"
            yield {"contentBlockDelta": {"delta": {"text": text}}}
        else:
            yield {"contentBlockStart": {"start": {"toolUse": {"name": "pay", "toolUseId": "1"}}}}
            yield {"contentBlockDelta": {"delta": {"toolUse": {"input": "{}"}}}}
        yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "end_turn" if results else "tool_use"}}


@tool
def pay() -> str:
    """Pay."""
    return "paid 40 EUR"


async def outcome(event: Any, raises: Any) -> str:
    calls: list[str] = []

    def hook(each: Any) -> None:
        calls.append("call")
        if raises(each):
            raise RuntimeError("no euros")

    agent = Agent(Scripted(), tools=[pay], callback_handler=None)
    agent.hooks.add_callback(event, hook)
    try:
        answer = str(await agent.invoke_async("go")).strip()
        return f"the model reads {answer!r} (hook called {len(calls)}x)"
    except Exception as error:
        return f"raised {type(error).__name__}: {error} (hook called {len(calls)}x)"


def saw_euros(event: AfterToolCallEvent) -> bool:
    return "EUR" in str(event.result)


async def main() -> None:
    print("before:", await outcome(BeforeToolCallEvent, lambda event: True))
    print("after, always:", await outcome(AfterToolCallEvent, lambda event: True))
    print("after, for what it sees:", await outcome(AfterToolCallEvent, saw_euros))


asyncio.run(main())
PY
out=$("$tmp/v/bin/python" "$tmp/try.py")
echo "$out"
expected="before: raised EventLoopException: no euros (hook called 1x)
after, always: raised EventLoopException: no euros (hook called 2x)
after, for what it sees: the model reads 'error: Error: no euros' (hook called 2x)"
[ "$out" = "$expected" ] || { echo "It changed. Seen on 2026-11-29:"; echo "$expected"; exit 1; }
