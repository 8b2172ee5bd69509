"""Bad input on the worker, models and plugins, gets a clear error at the earliest point."""

from typing import Any

import pytest
from conftest import Agents
from strands.models import Model
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal._upstream.private_api import activity_name
from strands_temporal.testing import ScriptedModel, say


def raising_factory() -> Model:
    raise KeyError("SOME_API_KEY")


@workflow.defn
class NamedModelWorkflow:
    @workflow.run
    async def run(self, name: str | None) -> str:
        return str(await TemporalAgent(name, callback_handler=None).invoke_async("hi"))


WRONG_NAMES: dict[str, tuple[str | None, str, list[str]]] = {
    "unknown name": (
        "gpt",
        "ValueError",
        ["'gpt'", "['broken', 'claude', 'odd']", "StrandsPlugin(models=...)"],
    ),
    "no name with a custom mapping": (
        None,
        "ValueError",
        ["No model was named", "['broken', 'claude', 'odd']"],
    ),
    "a factory that raises": ("broken", "ModelFactoryFailed", ["'broken'", "KeyError", "SOME_API_KEY"]),
    "a factory that makes something else": ("odd", "ModelFactoryFailed", ["'odd'", "42", "Model"]),
}


@pytest.mark.server
@pytest.mark.parametrize("case", WRONG_NAMES)
async def test_wrong_models_end_the_workflow_at_the_first_attempt(agents: Agents, case: str) -> None:
    name, expected_type, said = WRONG_NAMES[case]
    models: Any = {"claude": lambda: ScriptedModel(say("hi")), "broken": raising_factory, "odd": lambda: 42}
    async with agents(workflows=[NamedModelWorkflow], models=models) as env:
        with pytest.raises(WorkflowFailureError) as failure:
            await env.run(NamedModelWorkflow.run, name)
        history = await env.handles[0].fetch_history()
    cause = failure.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == expected_type
    for part in said:
        assert part in cause.message
    attempts = [
        e.activity_task_started_event_attributes.attempt for e in history.events if e.event_type == 11
    ]
    assert attempts == [1]


@pytest.mark.parametrize(
    ("models", "error", "said"),
    [
        ({"claude": ScriptedModel()}, TypeError, ["'claude'", "cannot be called", "lambda"]),
        ({"": raising_factory}, ValueError, ["empty"]),
        ({7: raising_factory}, TypeError, ["7", "not a string"]),
        ({}, ValueError, ["names no model"]),
        (["claude"], TypeError, ["not a mapping"]),
        (raising_factory, TypeError, ["not a mapping"]),
    ],
)
def test_wrong_factories_are_refused_at_construction(
    models: Any, error: type[Exception], said: list[str]
) -> None:
    with pytest.raises(error) as refused:
        StrandsPlugin(models=models)
    for part in said:
        assert part in str(refused.value)


@activity.defn(name="invoke_model")
async def my_own_invoke_model() -> None: ...


@pytest.mark.server
@pytest.mark.parametrize("place", ["client and worker", "worker twice"])
async def test_two_different_plugins_on_one_worker_are_refused(client: Client, place: str) -> None:
    first, second = StrandsPlugin(models={"a": raising_factory}), StrandsPlugin(models={"b": raising_factory})
    on_client = Client(client.service_client, plugins=[first] if place == "client and worker" else [])
    on_worker = [second] if place == "client and worker" else [first, second]
    with pytest.raises(ValueError, match=r"different models meet on one worker: \['a'\] and \['b'\]"):
        Worker(on_client, task_queue="two-plugins", workflows=[NamedModelWorkflow], plugins=on_worker)


@pytest.mark.server
async def test_plugins_that_are_configured_alike_are_one(client: Client) -> None:
    models = {"a": raising_factory}
    on_client = Client(client.service_client, plugins=[StrandsPlugin(models=models)])
    worker = Worker(
        on_client, task_queue="alike", workflows=[NamedModelWorkflow], plugins=[StrandsPlugin(models=models)]
    )
    config: Any = worker.config(active_config=True)
    names = [activity_name(function) for function in config["activities"]]
    assert "invoke_model" in names
    assert len(names) == len(set(names))


@pytest.mark.server
async def test_a_users_activity_of_our_name_is_refused(client: Client) -> None:
    with pytest.raises(ValueError, match="already has an activity 'invoke_model'"):
        Worker(
            client,
            task_queue="taken",
            workflows=[NamedModelWorkflow],
            activities=[my_own_invoke_model],
            plugins=[StrandsPlugin()],
        )
