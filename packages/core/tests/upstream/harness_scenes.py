"""A harness agent that compares what it shows to its model, and the ids of its calls, with the first time."""

import json
from datetime import timedelta
from typing import Any

from packages.core.tests.workflow.harness_scenes import facts
from strands.hooks import BeforeToolCallEvent
from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    from strands_harness.plugins import environment

from strands_temporal.workflow import TemporalSandbox, durable_harness, execute_activity, merge_options


@activity.defn
async def keep(seen: str) -> str:
    return seen


@workflow.defn
class ComparingWorkflow:
    """Fails at a replay that sees something else than the run saw."""

    @workflow.run
    async def run(self) -> str:
        seen: list[Any] = []
        agent = durable_harness("m", sandbox=TemporalSandbox("box"), tools=[facts], callback_handler=None)
        agent.add_hook(lambda event: seen.append(event.tool_use["toolUseId"]), BeforeToolCallEvent)
        await agent.invoke_async("Go")
        await agent.invoke_async("Again")
        seen.append(getattr(environment, "date").today().isoformat())  # noqa: B009  # no public name
        shown = json.dumps(seen)
        options = merge_options("keep", {}, {"start_to_close_timeout": timedelta(minutes=1)})
        before: str = await execute_activity(keep, [shown], options)
        if before != shown:
            raise RuntimeError(f"the run saw {before}, this replay {shown}")
        return shown
