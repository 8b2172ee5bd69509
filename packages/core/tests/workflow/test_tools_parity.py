"""The same function gives the model the same result as an activity tool and as a plain `@tool`."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast
from uuid import uuid4

import pytest
from packages.core.tests.workflow.tool_functions import CALLS, WORKERS_ACTIVITIES, text_of, tools_of
from packages.core.tests.workflow.tool_scenes import echo
from strands import Agent
from strands.hooks import AfterToolCallEvent, HookProvider, HookRegistry
from strands.tools.executors import ConcurrentToolExecutor, SequentialToolExecutor
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal.testing import AgentFactory, Scenario, ScriptedModel, prompts, run_parity, use_tools

pytestmark = pytest.mark.server


# --- Functions, each the plain tool and the activity --------------------------------------------------------


class TextOfExceptions(HookProvider):
    """Writes `AfterToolCallEvent.exception` into the result, so that parity compares it."""

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        registry.add_callback(AfterToolCallEvent, self.note)

    def note(self, event: AfterToolCallEvent[Any]) -> None:
        error = event.exception
        if error is not None:
            kinds = [kind.__name__ for kind in (ValueError, LookupError, OSError) if isinstance(error, kind)]
            text = f"{type(error).__name__} {kinds} {error}".encode("ascii", "backslashreplace").decode()
            event.result["content"].append({"text": text})


def scenario(calls: list[tuple[str, Any, str]], executor: Any) -> Scenario:
    return Scenario(
        script=lambda: ScriptedModel(use_tools(calls), echo),
        build=lambda make: make(tools=tools_of(make), tool_executor=executor, hooks=[TextOfExceptions()]),
        drive=prompts("go"),
        activities=WORKERS_ACTIVITIES,
    )


@pytest.mark.sample(20)
@pytest.mark.parametrize("case", CALLS)
async def test_as_a_plain_tool(client: Client, case: str, worker_options: dict[str, Any]) -> None:
    name, arguments = CALLS[case]
    parity = await run_parity(
        client, scenario([(name, arguments, "t1")], SequentialToolExecutor()), **worker_options
    )
    parity.assert_equal()
    (answer,) = parity.durable.given[-1]["messages"][-1]["content"]
    assert answer["toolResult"]["toolUseId"] == "t1"


@pytest.mark.parametrize(
    ("executor", "every"),
    [(ConcurrentToolExecutor(), 1), (SequentialToolExecutor(), 4)],  # slow when run one after the other
    ids=["concurrent", "sequential"],
)
async def test_all_of_them_in_one_turn(
    client: Client, executor: Any, every: int, worker_options: dict[str, Any]
) -> None:
    calls = [(name, arguments, f"t{n}") for n, (name, arguments) in enumerate(CALLS.values())][::every]
    parity = await run_parity(client, scenario(calls, executor), **worker_options)
    if isinstance(executor, ConcurrentToolExecutor):
        for seen in (parity.plain, parity.durable):  # parallel tools end in any order
            seen.hook_events.sort(key=str)
            seen.tool_results.sort(key=lambda result: str(result["toolUseId"]))
    parity.assert_equal()
    assert len(parity.durable.tool_results) == len(calls)


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("raises KeyError", "Error: KeyError - 'city'"),
        ("raises KeyError of nothing", "Error: KeyError - "),
        ("raises KeyError of an object", "Error: KeyError - <no literal>"),
        ("raises own class", "Error: CustomError - (7, 'because')"),
        ("raises its child", "Error: bad city"),
        ("raises named as one of Strands", "Error: ModelThrottledException - mine"),
        ("returns unicode", '{"ü": ["é", "日本"], "n": 1.5}'),
        ("wrong type", "Error: Validation failed for input parameters: 1 validation error for DefaultsTool"),
    ],
)
async def test_the_words_themselves(
    client: Client, case: str, expected: str, worker_options: dict[str, Any]
) -> None:
    name, arguments = CALLS[case]
    parity = await run_parity(
        client, scenario([(name, arguments, "t1")], SequentialToolExecutor()), **worker_options
    )
    assert text_of(parity).startswith(expected)


# --- With the SDK's default converter: the plugin on the worker only ----------------------------------------


@workflow.defn
class AllToolsWorkflow:
    @workflow.run
    async def run(self) -> None:
        agent = TemporalAgent(
            "m",
            tools=tools_of(AgentFactory(None, cast("Any", None))),
            callback_handler=None,
            tool_executor=SequentialToolExecutor(),
        )
        await agent.invoke_async("go")


async def test_the_sdks_default_converter_gives_the_same(
    client: Client, worker_options: dict[str, Any]
) -> None:
    cases = CALLS
    calls = [(name, arguments, f"t{n}") for n, (name, arguments) in enumerate(cases.values())]
    plain_model = ScriptedModel(use_tools(calls), echo)
    plain = Agent(
        plain_model,
        tools=tools_of(AgentFactory(ScriptedModel(), cast("Any", None))),
        callback_handler=None,
        tool_executor=SequentialToolExecutor(),
    )
    await plain.invoke_async("go")
    model = ScriptedModel(use_tools(calls), echo)
    queue = f"test-{uuid4()}"
    with ThreadPoolExecutor(2) as executor:
        worker = Worker(
            client,
            task_queue=queue,
            workflows=[AllToolsWorkflow],
            activities=WORKERS_ACTIVITIES,
            plugins=[StrandsPlugin(models={"m": lambda: model})],
            activity_executor=executor,
            **worker_options,
        )
        async with worker:
            await client.execute_workflow(AllToolsWorkflow.run, id=queue, task_queue=queue)
    expected = dict(zip(cases, plain_model.calls[-1].messages[-1]["content"], strict=True))
    got = dict(zip(cases, model.calls[-1].messages[-1]["content"], strict=True))
    for case in got:
        assert got[case] == expected[case], case
