#!/usr/bin/env bash
# A tool call whose JSON arguments are cut off runs the tool with no arguments at all.
#
# Packages: strands-agents 1.62.0. Tried on 2026-11-29.
# Guess: the tool is not called. Arguments that are not JSON become a failed tool result, as arguments that
# are a list or a string do, and the model tries again.
# Instead: Strands replaces them with `{}`, with a warning in the log. A tool whose parameters all have
# defaults runs with the defaults and succeeds. In the conversation the model's own message has `{}` as the
# arguments.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
uv venv -q "$tmp/v"
uv pip install -q --python "$tmp/v/bin/python" strands-agents==1.62.0
cd "$tmp"
cat >"$tmp/try.py" <<'PY'
import sys
import warnings

from strands import Agent, tool
from strands.models import Model

warnings.simplefilter("ignore")
calls: list[str] = []


@tool
def search(city: str = "anywhere") -> str:
    """Search for hotels."""
    calls.append(city)
    return f"hotels in {city}"


class Scripted(Model):
    """Calls `search` once, with the given text as its arguments."""

    def __init__(self, text: str) -> None:
        self.text = text

    def update_config(self, **config):
        pass

    def get_config(self):
        return {}

    async def structured_output(self, *args, **kwargs):
        raise NotImplementedError
        yield

    async def stream(self, messages, *args, **kwargs):
        answered = any("toolResult" in block for block in messages[-1]["content"])
        call = {"toolUse": {"toolUseId": "call_0", "name": "search"}}
        yield {"messageStart": {"role": "assistant"}}
        yield {"contentBlockStart": {"start": {} if answered else call}}
        yield {"contentBlockDelta": {"delta": {"text": "done"} if answered else {"toolUse": {"input": self.text}}}}
        yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "end_turn" if answered else "tool_use"}}


seen = {}
for text in ('{"city": "Riga"}', '{"city": "Ri', '["Riga"]'):
    calls.clear()
    agent = Agent(model=Scripted(text), tools=[search], callback_handler=None)
    agent("Find a hotel in Riga.")
    asked = agent.messages[1]["content"][0]["toolUse"]["input"]
    status = agent.messages[2]["content"][0]["toolResult"]["status"]
    seen[text] = asked, list(calls), status
    print(f"{text}: the message says {asked}, calls {calls}, {status}")
same = list(seen.values()) == [
    ({"city": "Riga"}, ["Riga"], "success"),
    ({}, ["anywhere"], "success"),
    (["Riga"], [], "error"),
]
print("as stated" if same else "CHANGED")
sys.exit(0 if same else 1)
PY
timeout 90 "$tmp/v/bin/python" "$tmp/try.py"
