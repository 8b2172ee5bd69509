#!/usr/bin/env bash
# The order of a Graph's parallel nodes, and of their results in the next node's prompt, follows Python's hash seed.
#
# Packages: strands-agents 1.62.0. Tried on 2026-11-30.
# Guess: parallel nodes start in the order in which they were added, or at least in the same order in each process.
# Instead: a graph keeps nodes and edges in sets, whose order follows the hashes of the nodes' ids. Python gives a
# text another hash in each process, so the same graph starts its nodes in another order, and the node after them is
# given their results in another order: another prompt. Code that replays a recorded run in another process, or that
# answers recorded calls in order, gives a node the answers of another node.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
uv venv -q "$tmp/v"
uv pip install -q --python "$tmp/v/bin/python" strands-agents==1.62.0
cat >"$tmp/try.py" <<'PY'
import asyncio
import logging
from typing import Any

from strands import Agent
from strands.models import Model
from strands.multiagent import GraphBuilder

logging.disable(logging.CRITICAL)
started: list[str] = []
told: list[str] = []


class Named(Model):
    """Notes that it was called, and answers with its name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def update_config(self, **config: Any) -> None: ...
    def get_config(self) -> dict[str, Any]:
        return {}

    def structured_output(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    async def stream(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        started.append(self.name)
        if self.name == "last":
            text = " ".join(block.get("text", "") for block in messages[-1]["content"])
            told.extend(word.rstrip(":") for word in text.split() if word.rstrip(":") in NAMES)
        yield {"messageStart": {"role": "assistant"}}
        yield {"contentBlockStart": {"start": {}}}
        yield {"contentBlockDelta": {"delta": {"text": "done"}}}
        yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "end_turn"}}


NAMES = ["red", "green", "blue", "white"]


async def main() -> None:
    builder = GraphBuilder()
    builder.add_node(Agent(Named("last"), name="last", callback_handler=None), "last")
    for name in NAMES:
        builder.add_node(Agent(Named(name), name=name, callback_handler=None), name)
        builder.add_edge(name, "last")
        builder.set_entry_point(name)
    builder.set_max_node_executions(len(NAMES) + 1)
    await builder.build().invoke_async("go")
    print("started", *started[:4], "| told", *dict.fromkeys(told))


asyncio.run(main())
PY
for seed in 1 2 3 4 5 6; do
    PYTHONHASHSEED=$seed timeout 60 "$tmp/v/bin/python" "$tmp/try.py"
done | tee "$tmp/seen"
orders=$(sed 's/ |.*//' "$tmp/seen" | sort -u | wc -l)
prompts=$(sed 's/.*| //' "$tmp/seen" | sort -u | wc -l)
echo "different orders of starting: $orders; different orders in the next prompt: $prompts"
if [ "$orders" -gt 1 ] && [ "$prompts" -gt 1 ]; then echo "as stated"; else
    echo "CHANGED"
    exit 1
fi
