"""docs/security.md: keys stay on the worker, and what the page says cannot run in a workflow."""

import asyncio
import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.worker import Worker

from integration_tests.docs_code import module_of
from integration_tests.hosted_scenes import ShopWorkflow
from integration_tests.http_server import QuietHandler, serving
from integration_tests.openai_stand_in import Deltas, openai_provider, tool_call
from strands_temporal.testing import assert_replays

pytestmark = pytest.mark.server

MODEL_KEY, SHOP_KEY = "sk-model-4711", "sk-shop-0815"


async def test_the_keys_of_the_page_reach_the_providers_and_never_the_history(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    class Shop(QuietHandler):
        def do_POST(self) -> None:
            seen.append(self.headers["authorization"])
            self.answer(200, "text/plain", f"ordered {json.loads(self.body())['item']}".encode())

    def answer(asked: dict[str, Any]) -> Deltas:
        results = [message["content"] for message in asked["messages"] if message["role"] == "tool"]
        if results:
            return [{"content": "It is ordered."}]
        return [{"tool_calls": [tool_call(0, "order", {"item": "lamp"})]}]

    with serving(Shop) as shop, openai_provider(answer, key=MODEL_KEY) as variables:
        given: Mapping[str, str] = {
            **variables,
            "MODEL_KEY": MODEL_KEY,
            "SHOP_KEY": SHOP_KEY,
            "SHOP_URL": f"{shop}/orders",
        }
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("OPENAI_API_KEY")  # the page's factory gives the key
        page = module_of("security.md", "secrets_at_home", tmp_path, monkeypatch)
        own = Client(client.service_client, plugins=[page.plugin])
        queue = f"shop-{uuid.uuid4()}"
        async with Worker(own, task_queue=queue, workflows=[ShopWorkflow]):
            handle = await own.start_workflow(ShopWorkflow.run, "A lamp.", id=queue, task_queue=queue)
            assert await asyncio.wait_for(handle.result(), 60) == "It is ordered."
    assert seen == [f"Bearer {SHOP_KEY}"]
    history = await handle.fetch_history()
    data = b"".join(event.SerializeToString() for event in history.events)
    assert b"ordered lamp" in data
    assert MODEL_KEY.encode() not in data
    assert SHOP_KEY.encode() not in data
    await assert_replays(history, [ShopWorkflow])
