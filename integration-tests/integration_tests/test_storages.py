"""Storages and a memory store that others wrote, behind the handles: S3 and DynamoDB, on moto."""

from collections.abc import Generator
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError

from integration_tests.storage_scenes import (
    BytesWorkflow,
    MemoryWorkflow,
    MissingBucketWorkflow,
    SessionWorkflow,
)
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, agent_environment, say, use_tool

pytestmark = pytest.mark.server

BUCKET, TABLE, REGION = "agents", "agents", "us-east-1"


@pytest.fixture(scope="module")
def aws() -> Generator[Any]:
    """A session of boto3 whose clients call moto, a server on this machine."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nobody"}

    class Session(boto3.Session):
        def client(self, *names: Any, **options: Any) -> Any:
            return super().client(*names, **{**options, "endpoint_url": f"http://{host}:{port}"})

    session = Session(region_name=REGION, **keys)
    session.client("s3").create_bucket(Bucket=BUCKET)
    session.client("dynamodb").create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    yield session
    server.stop()


def made(kind: str, aws: Any, place: str = "") -> Any:
    """Return a storage on moto."""
    if kind == "s3":
        from strands.storage import S3Storage

        return S3Storage(place or BUCKET, prefix="agents", boto_session=aws)
    from strands_dynamodb_storage import DynamoDBStorage

    return DynamoDBStorage(place or TABLE, boto_session=aws)


def count(call: ScriptedCall) -> Reply:
    texts = [str(message["content"][0].get("text")) for message in call.messages]
    return say(f"{len(texts)}: {texts[0]}")


@pytest.mark.parametrize("kind", ["s3", "dynamodb"])
async def test_a_session_outlives_its_workers(
    client: Client, worker_options: dict[str, Any], aws: Any, kind: str
) -> None:
    for number, prompt in enumerate(("one", "two", "three")):
        async with agent_environment(
            client,
            workflows=[SessionWorkflow, BytesWorkflow],
            models={"m": lambda: ScriptedModel(count)},
            storages={"sessions": lambda: made(kind, aws)},
            **worker_options,
        ) as env:
            assert await env.run(SessionWorkflow.run, prompt) == f"{2 * number + 1}: one"
            if not number:
                assert await env.run(BytesWorkflow.run) == [True, None, ["a/b"], []]


@pytest.mark.parametrize("kind", ["s3", "dynamodb"])
async def test_a_place_that_is_not_there_ends_the_run_with_strands_error(
    client: Client, worker_options: dict[str, Any], aws: Any, kind: str
) -> None:
    async with agent_environment(
        client,
        workflows=[MissingBucketWorkflow],
        storages={"missing": lambda: made(kind, aws, "nowhere")},
        **worker_options,
    ) as env:
        with pytest.raises(WorkflowFailureError) as failure:
            await env.run(MissingBucketWorkflow.run)
    assert isinstance(failure.value.cause, ApplicationError)
    assert failure.value.cause.type == "StorageError"
    assert failure.value.cause.message.startswith("Failed to write 'key'")


def remember(call: ScriptedCall) -> Reply:
    """Add what is told, and answer with what was injected."""
    last = call.messages[-1]["content"]
    if "toolResult" in last[0]:
        return say("noted")
    if call.text.startswith("note: "):
        return use_tool("add_memory", {"entries": [call.text.removeprefix("note: ")]})
    return say(" ".join(block.get("text", "") for block in last))


def embedded(text: str) -> list[float]:
    """Return an embedding that tells cats from tea."""
    return [float(word in text.lower()) for word in ("cat", "tea")]


async def test_a_memory_store_of_others_is_searched_and_written(
    client: Client, worker_options: dict[str, Any], aws: Any
) -> None:
    from strands_dynamodb_storage import DynamoDBMemoryStore, DynamoDBStorage

    async def nearest(asked: dict[str, Any]) -> list[dict[str, Any]]:
        """Do what the vector index of DynamoDB does, which moto has not."""
        items = aws.client("dynamodb").scan(TableName=TABLE)["Items"]
        found: list[dict[str, Any]] = []
        for item in items:
            vector = [float(number["N"]) for number in item.get("vector", {"L": []})["L"]]
            if vector and item["pk"]["S"] == asked["pk"]:
                distance = sum(abs(a - b) for a, b in zip(vector, asked["vector"], strict=True))
                found.append({"key": f"{item['pk']['S']}/{item['sk']['S']}", "score": distance})
        return sorted(found, key=lambda each: each["score"])[: asked["top_k"]]

    def store() -> Any:
        storage = DynamoDBStorage(TABLE, boto_session=aws, vector_search=nearest)
        return DynamoDBMemoryStore(storage.namespace("user/ada"), embedder=embedded, name="facts")

    async with agent_environment(
        client,
        workflows=[MemoryWorkflow],
        models={"m": lambda: ScriptedModel(remember)},
        memory_stores={"facts": store},
        **worker_options,
    ) as env:
        assert await env.run(MemoryWorkflow.run, "note: Ada drinks tea") == "noted"
        assert await env.run(MemoryWorkflow.run, "note: Ada has two cats") == "noted"
        answer = await env.run(MemoryWorkflow.run, "which tea?")
    assert answer.index('<entry source="facts">Ada drinks tea</entry>') < answer.index("Ada has two cats")
