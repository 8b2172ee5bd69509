"""What a crowd of agents meets: a provider's quota, and many agents at once.

    python -m benchmarks.crowd agents --agents 500
    python -m benchmarks.crowd quota --agents 40 --turns 4 --per-second 10 --limit 10

Prints one JSON object. Starts a dev server of its own; everything binds 127.0.0.1.
"""

import argparse
import asyncio
import json
import resource
import sys
import time
import uuid
from typing import Any

from strands.models.openai import OpenAIModel
from temporalio.client import Client
from temporalio.worker import Worker

from benchmarks.crowd_provider import Quota, provider
from benchmarks.crowd_workflows import CrowdWorkflow, Job, look_up
from strands_temporal import StrandsPlugin
from strands_temporal.testing import DevServer, ScriptedCall, ScriptedModel, say, use_tool

TEXT = "Done."


async def run_agents(client: Client, agents: int) -> dict[str, Any]:
    """Run so many agents with one tool call each at once, to their ends."""

    def step(call: ScriptedCall) -> Any:
        return say(TEXT) if call.tool_results else use_tool("look_up", {"topic": "tea"})

    model = ScriptedModel(*[step] * (2 * agents))
    plugin = StrandsPlugin(models={"m": lambda: model})
    own, queue = Client(client.service_client, plugins=[plugin]), f"crowd-{uuid.uuid4()}"
    async with Worker(own, task_queue=queue, workflows=[CrowdWorkflow], activities=[look_up]):
        begun, cpu = time.monotonic(), time.process_time()
        texts = await _results(own, queue, agents, Job(tool=True))
    return {
        "agents": agents,
        "ended": texts.count(TEXT),
        "seconds": round(time.monotonic() - begun, 1),
        "worker_cpu_ms_per_agent": round((time.process_time() - cpu) * 1000 / agents, 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


async def run_quota(
    client: Client, agents: int, turns: int, quota: Quota, limit: float | None
) -> dict[str, Any]:
    """Run agents against a provider with a quota. All of them want more than it allows.

    Args:
        client: A client.
        agents: Agents at once.
        turns: Model calls of each.
        quota: The provider's quota.
        limit: `max_task_queue_activities_per_second` of the models' task queue; None for none.
    """
    async with provider(quota) as url:

        def model() -> OpenAIModel:
            return OpenAIModel(client_args={"base_url": url, "api_key": "k", "max_retries": 0}, model_id="m")

        own = Client(client.service_client, plugins=[StrandsPlugin(models={"m": model})])
        chats, models = f"chats-{uuid.uuid4()}", f"models-{uuid.uuid4()}"
        of_models = Worker(own, task_queue=models, max_task_queue_activities_per_second=limit)
        async with Worker(own, task_queue=chats, workflows=[CrowdWorkflow]), of_models:
            texts = await _results(own, chats, agents, Job(turns, models))
    calls = len(quota.answered)
    return {
        "agents": agents,
        "ended": texts.count(TEXT),
        "quota_per_second": quota.per_second,
        "limit_per_second": limit,
        "calls": calls,
        "refused": quota.refused,
        "seconds": round(quota.seconds, 1),
        "times_the_least": round(quota.stretch(), 2),
        "times_the_least_of_90_percent": round(quota.stretch(0.9), 2),
    }


async def _results(client: Client, queue: str, agents: int, job: Job) -> list[str]:
    handles = await asyncio.gather(
        *(
            client.start_workflow(CrowdWorkflow.run, job, id=f"{queue}-{number}", task_queue=queue)
            for number in range(agents)
        )
    )
    return list(await asyncio.gather(*(handle.result() for handle in handles)))


async def _measure(given: argparse.Namespace) -> dict[str, Any]:
    async with DevServer() as server:
        client = await Client.connect(server.address)
        if given.what == "agents":
            return await run_agents(client, given.agents)
        quota = Quota(given.per_second, given.burst, given.refuses)
        return await run_quota(client, given.agents, given.turns, quota, given.limit)


def main() -> None:
    """Run what the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=["agents", "quota"])
    parser.add_argument("--agents", type=int, default=500)
    parser.add_argument("--turns", type=int, default=4)
    parser.add_argument("--per-second", type=float, default=10)
    parser.add_argument("--burst", type=int, default=10)
    parser.add_argument("--refuses", type=float, default=0.0, help="share that gets 429 in any case")
    parser.add_argument("--limit", type=float, help="limit of the task queue of the models; none by default")
    sys.stdout.write(json.dumps(asyncio.run(_measure(parser.parse_args()))) + "\n")


if __name__ == "__main__":
    main()
