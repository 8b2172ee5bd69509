#!/usr/bin/env bash
# A tool's own dictionary with the keys `status` and `content` is taken for a tool result, and OpenAI is sent
# nothing.
#
# Packages: strands-agents 1.62.0, openai 3.57.0. Tried on 2026-11-29.
# Guess: a tool result has the status "success" or "error" and a list as its content. Any other dictionary,
# such as an order's {"status": "shipped", "content": "two books"}, reaches the model as JSON text, as
# dictionaries do.
# Instead: the two keys decide. The status "shipped" and the content, a string, go into the conversation, and
# Strands' OpenAIModel turns them into an empty text. A third key changes nothing. Without the key `content`
# the model gets JSON text.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
uv venv -q "$tmp/v"
uv pip install -q --python "$tmp/v/bin/python" strands-agents==1.62.0 openai==3.57.0
cd "$tmp"
cat >"$tmp/try.py" <<'PY'
import sys
import warnings

from strands import Agent, tool
from strands.models import Model
from strands.models.openai import OpenAIModel

warnings.simplefilter("ignore")
answer: dict = {}


@tool
def order() -> dict:
    """Look up the order."""
    return dict(answer)


class Scripted(Model):
    """Calls `order` once, then ends."""

    def update_config(self, **config):
        pass

    def get_config(self):
        return {}

    async def structured_output(self, *args, **kwargs):
        raise NotImplementedError
        yield

    async def stream(self, messages, *args, **kwargs):
        answered = any("toolResult" in block for block in messages[-1]["content"])
        call = {"toolUse": {"toolUseId": "call_0", "name": "order"}}
        yield {"messageStart": {"role": "assistant"}}
        yield {"contentBlockStart": {"start": {} if answered else call}}
        yield {"contentBlockDelta": {"delta": {"text": "done"} if answered else {"toolUse": {"input": "{}"}}}}
        yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "end_turn" if answered else "tool_use"}}


seen = []
for answer in (
    {"status": "shipped", "items": "two books"},
    {"status": "shipped", "content": "two books"},
    {"status": "shipped", "content": [{"title": "Emma"}], "order": 7},
):
    agent = Agent(model=Scripted(), tools=[order], callback_handler=None)
    agent("Where is my order?")
    result = agent.messages[2]["content"][0]["toolResult"]
    [sent] = [part["content"] for part in OpenAIModel.format_request_messages(agent.messages) if part["role"] == "tool"]
    print(f"{answer}: {result}; sent to OpenAI: {sent!r}")
    seen.append((result["status"], result["content"], sent))
text = '{"status": "shipped", "items": "two books"}'
same = seen[1:] == [("shipped", "two books", ""), ("shipped", [{"title": "Emma"}], "")] and (
    seen[0][:2] == ("success", [{"text": text}]) and text in str(seen[0][2])
)
print("as stated" if same else "CHANGED")
sys.exit(0 if same else 1)
PY
timeout 90 "$tmp/v/bin/python" "$tmp/try.py"
