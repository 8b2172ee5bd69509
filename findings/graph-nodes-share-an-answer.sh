#!/usr/bin/env bash
# Two nodes of a graph whose tool calls have equal ids share one interrupt: one answer goes to both.
#
# Packages: strands-agents 1.62.0. Tried on 2026-11-29.
# Guess: an interrupt's id tells the nodes apart, because a graph returns the interrupts of all its nodes
# together. If one question is answered, the graph asks the other again.
# Instead: the id is made of the tool call's id and the interrupt's name. Each model numbers its own calls
# ("call_0"), so both questions have one id. The answer to one is given to both nodes, and the graph
# completes.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
uv venv -q "$tmp/v"
uv pip install -q --python "$tmp/v/bin/python" strands-agents==1.62.0
cd "$tmp"
cat >"$tmp/try.py" <<'PY'
import sys
import warnings

from strands import Agent, ToolContext, tool
from strands.models import Model
from strands.multiagent import GraphBuilder

warnings.simplefilter("ignore")


class Scripted(Model):
    """Calls the tool `ask` once, then ends. It numbers its calls from 0, as some providers do."""

    def update_config(self, **config):
        pass

    def get_config(self):
        return {}

    async def structured_output(self, *args, **kwargs):
        raise NotImplementedError
        yield

    async def stream(self, messages, *args, **kwargs):
        answered = any("toolResult" in block for block in messages[-1]["content"])
        call = {"toolUse": {"toolUseId": "call_0", "name": "ask"}}
        yield {"messageStart": {"role": "assistant"}}
        yield {"contentBlockStart": {"start": {} if answered else call}}
        yield {"contentBlockDelta": {"delta": {"text": "done"} if answered else {"toolUse": {"input": "{}"}}}}
        yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "end_turn" if answered else "tool_use"}}


answers = {}


def asks(question: str):
    @tool(context=True)
    def ask(tool_context: ToolContext) -> str:
        """Ask the user."""
        answers[question] = tool_context.interrupt("question", reason=question)
        return answers[question]

    return ask


builder = GraphBuilder()
for node, question in (("hotel", "Which hotel?"), ("flight", "Which flight?")):
    builder.add_node(Agent(model=Scripted(), tools=[asks(question)], callback_handler=None), node)
graph = builder.build()

result = graph("Plan the journey.")
for interrupt in result.interrupts:
    print(f"{result.status}: {interrupt.reason} {interrupt.id}")
ids = {interrupt.id for interrupt in result.interrupts}
hotel = next(interrupt for interrupt in result.interrupts if interrupt.reason == "Which hotel?")
result = graph([{"interruptResponse": {"interruptId": hotel.id, "response": "the Ritz"}}])
print(f"{result.status}: {answers}")
same = (
    len(ids) == 1
    and result.status.value == "completed"
    and answers == {"Which hotel?": "the Ritz", "Which flight?": "the Ritz"}
)
print("as stated" if same else "CHANGED")
sys.exit(0 if same else 1)
PY
timeout 90 "$tmp/v/bin/python" "$tmp/try.py"
