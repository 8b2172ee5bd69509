# pyright: reportMissingImports=false, reportIncompatibleMethodOverride=false, reportUnknownArgumentType=false
"""Runs scripted agents with ag-ui-strands, in an environment of its own. It imports nothing of this project.

Reads a scenario from standard input: `{"script": [events of each model call], "runs": [RunAgentInput]}`.
`resume` may be `{"payload": ...}`, for the interrupt of the run before. Prints each run's events.
"""

import asyncio
import json
import logging
import sys
from typing import Any

from ag_ui.core import RunAgentInput
from ag_ui_strands import StrandsAgent
from strands import Agent, ToolContext, tool
from strands.models import Model


class Replayed(Model):
    """A model whose calls give the scenario's events."""

    def __init__(self, script: list[Any]) -> None:
        self.script = list(script)

    def update_config(self, **_: Any) -> None: ...

    def get_config(self) -> dict[str, Any]:
        return {"model_id": "scripted"}

    async def structured_output(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    async def stream(self, *args: Any, **kwargs: Any) -> Any:
        for event in self.script.pop(0):
            if "raise" in event:
                raise ValueError(event["raise"])
            yield event


@tool
def look_up(word: str) -> str:
    """Look a word up."""
    return f"about {word}"


@tool
def broken(word: str) -> str:
    """Fail."""
    raise ValueError(f"no {word}")


@tool(context=True)
def ask(tool_context: ToolContext, q: str) -> str:
    """Ask a person."""
    return f"got {tool_context.interrupt('why', reason={'q': q})}"


async def main() -> None:
    logging.disable()
    scenario = json.load(sys.stdin)
    agent = Agent(model=Replayed(scenario["script"]), tools=[look_up, broken, ask], callback_handler=None)
    wrapper = StrandsAgent(agent=agent, name="agent")
    runs: list[Any] = []
    for given in scenario["runs"]:
        if "resume" in given:
            asked = runs[-1][-1]["outcome"]["interrupts"][0]["id"]
            given["resume"] = [{"interruptId": asked, "status": "resolved", **given["resume"]}]
        request = RunAgentInput.model_validate(given)
        runs.append([json.loads(e.model_dump_json(by_alias=True)) async for e in wrapper.run(request)])
    print(json.dumps(runs))


asyncio.run(main())
