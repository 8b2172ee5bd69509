"""An activity as a tool gives the model what the same function gives it as a plain `@tool`."""

import enum
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, cast
from uuid import uuid4

import pytest
import strands
from pydantic import BaseModel, Field, ValidationError
from strands import Agent
from strands.hooks import AfterToolCallEvent, HookProvider, HookRegistry
from strands.tools.executors import ConcurrentToolExecutor, SequentialToolExecutor
from strands.types.exceptions import ModelThrottledException
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from strands_temporal import AgentTypeError, StrandsPlugin, TemporalAgent
from strands_temporal._workflow.activity_tool import activity_as_tool
from strands_temporal.testing import (
    MakeAgent,
    Parity,
    Reply,
    Scenario,
    ScriptedCall,
    ScriptedModel,
    prompts,
    run_parity,
    say,
    use_tool,
    use_tools,
)

pytestmark = pytest.mark.server

ONCE = RetryPolicy(maximum_attempts=1)
PNG = b"\x89PNG\r\n\x1a\n\x00\xff"


def echo(call: ScriptedCall) -> Reply:
    return say(f"it said: {call.text}")


# --- Functions, each the plain tool and the activity --------------------------------------------------------


class Address(BaseModel):
    street: str
    zip_code: str = Field(alias="zipCode")


class Person(BaseModel):
    name: str
    born: date
    address: Address | None = None


@dataclass
class Point:
    x: int
    y: float = 0.5


class Color(enum.Enum):
    RED = "red"


class CityMissingError(LookupError):
    pass


class BadCityError(ValueError):
    pass


class CustomError(Exception):
    def __init__(self, code: int, why: str) -> None:
        super().__init__(code, why)
        self.code = code


# A user's own class that has the name of one of Strands', and means something else.
UsersThrottled = type("ModelThrottledException", (Exception,), {"__module__": "users.errors"})


class NoLiteral:
    def __repr__(self) -> str:
        return "<no literal>"


async def no_arguments() -> str:
    """Take nothing."""
    return "nothing"


async def defaults(a: int, b: str = "two", c: float = 3.0, d: list[int] | None = None) -> dict[str, Any]:
    """Take defaults.

    Args:
        a: The first.
        d: The last.
    """
    return {"a": a, "b": b, "c": c, "d": d}


async def annotated(count: Annotated[int, "how many"], unit: Annotated[str, "of what"] = "apples") -> str:
    """Count things."""
    return f"{count!r} {unit!r}"


async def introduce(person: Person, others: list[Person] | None = None) -> str:
    """Take Pydantic models."""
    # Strands' decorator dumps models to dicts; Temporal makes them what the hints say.
    given: Any = person
    first = Person(**_by_alias(given)) if isinstance(given, dict) else person
    return f"{first.name} {first.born} {first.address and first.address.zip_code} {len(others or [])}"


def _by_alias(person: Any) -> dict[str, Any]:
    address = person.get("address")
    if address and "zip_code" in address:
        address = {"street": address["street"], "zipCode": address["zip_code"]}
    return {**person, "address": address}


async def measure(point: Point, more: list[Point] | None = None) -> str:
    """Take dataclasses."""
    given: Any = point
    first = Point(**cast("dict[str, Any]", given)) if isinstance(given, dict) else point
    return f"{first} {len(more or [])}"


async def when(at: datetime, on: date) -> str:
    """Take times."""
    return f"{at.isoformat()} {on.isoformat()}"


def in_a_thread(word: str, times: int = 2) -> str:
    """Run where blocking is allowed."""
    return word * times


RETURNS: dict[str, Callable[[], Any]] = {
    "text": lambda: "plain text",
    "empty": lambda: "",
    "unicode": lambda: {"ü": ["é", "日本"], "n": 1.5},
    "none": lambda: None,
    "number": lambda: 42,
    "list": lambda: [1, "a", None, True],
    "int_keys": lambda: {1: {2: "x"}},
    "pydantic": lambda: Person(name="Zoë", born=date(2000, 1, 2)),
    "pydantic_list": lambda: [Point(1)],
    "dataclass": lambda: Point(3, 4.5),
    "bytes": lambda: PNG,
    "set": lambda: {7},
    "datetime": lambda: datetime(2024, 5, 6, 7, 8, 9),
    "enum": lambda: Color.RED,
    "odd_text": lambda: "half a pair \udce9",
    "complete": lambda: {"status": "success", "content": [{"text": "one"}, {"json": {"two": [2]}}]},
    "failed": lambda: {"status": "error", "content": [{"text": "it did not work"}]},
    "one_text": lambda: {"status": "success", "content": [{"text": "only"}]},
    "further_keys": lambda: {"status": "success", "content": [{"text": "x"}], "structuredContent": {"a": 1}},
    "status_only": lambda: {"status": "fine", "contents": 1},
    "image": lambda: {
        "status": "success",
        "content": [{"text": "see"}, {"image": {"format": "png", "source": {"bytes": PNG}}}],
    },
    "document": lambda: {
        "status": "success",
        "content": [{"document": {"format": "txt", "name": "d", "source": {"bytes": b"plain ascii"}}}],
    },
    "like_ours": lambda: {"strands_tool": 1, "text": "not an answer of ours"},
}


async def returns(kind: str) -> Any:
    """Return a value of that kind."""
    return RETURNS[kind]()


RAISES: dict[str, Callable[[], BaseException]] = {
    "ValueError": lambda: ValueError("no such city"),
    "its child": lambda: BadCityError("bad city"),
    "KeyError": lambda: KeyError("city"),
    "KeyError of nothing": lambda: KeyError(),
    "KeyError of an object": lambda: KeyError(NoLiteral()),
    "KeyError of a tuple": lambda: KeyError(("a", 1)),
    "LookupError's child": lambda: CityMissingError("Atlantis"),
    "own class": lambda: CustomError(7, "because"),
    "own class, empty": lambda: CustomError.__new__(CustomError),
    "RuntimeError, empty": lambda: RuntimeError(),
    "OSError": lambda: FileNotFoundError(2, "No such file", "x.txt"),
    "decoding": lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
    "validation": lambda: _not_valid(),
    "of Strands": lambda: ModelThrottledException("slow down"),
    "named as one of Strands": lambda: UsersThrottled("mine"),
    "unicode": lambda: RuntimeError("zürich 日本"),
    "NotImplementedError": lambda: NotImplementedError("later"),
    "TimeoutError": lambda: TimeoutError("too slow"),
}


def _not_valid() -> Exception:
    with pytest.raises(ValidationError) as raised:
        Person.model_validate({"name": 1})
    return raised.value


async def raises(kind: str) -> str:
    """Raise an exception of that kind."""
    raise RAISES[kind]()


class Counter:
    """What a method is bound to, on the worker; in the plain run the same object."""

    def __init__(self, start: int) -> None:
        self.start = start

    async def count(self, by: int = 1) -> str:
        """Count on from where the worker is.

        Args:
            by: How many.
        """
        return f"{self.start + by}"


FUNCTIONS: list[Any] = [
    no_arguments,
    defaults,
    annotated,
    introduce,
    measure,
    when,
    in_a_thread,
    returns,
    raises,
]
ACTIVITIES: dict[str, Any] = {f.__name__: activity.defn(f) for f in FUNCTIONS}
Counter.count = activity.defn(Counter.count)  # pyright: ignore[reportAttributeAccessIssue]
COUNTER = Counter(40)
WORKERS_ACTIVITIES = [*ACTIVITIES.values(), COUNTER.count]


def tools_of(make: MakeAgent) -> list[Any]:
    if not make.durable:
        return [strands.tool(function) for function in [*FUNCTIONS, COUNTER.count]]
    durable = [activity_as_tool(function, retry_policy=ONCE) for function in ACTIVITIES.values()]
    return [*durable, activity_as_tool(Counter.count, retry_policy=ONCE)]


ARGUMENTS: dict[str, tuple[str, dict[str, Any] | str]] = {
    "no arguments": ("no_arguments", {}),
    "no arguments, one given": ("no_arguments", {"surplus": 1}),
    "defaults left out": ("defaults", {"a": 1}),
    "defaults out of order": ("defaults", {"d": [1, 2], "c": 1, "a": 9}),
    "coerced": ("defaults", {"a": "7", "c": "2.5", "d": ["1"]}),
    "wrong type": ("defaults", {"a": "seven"}),
    "missing": ("defaults", {"b": "x"}),
    "null for a required one": ("defaults", {"a": None}),
    "extra ignored": ("defaults", {"a": 1, "mood": "good"}),
    "annotated": ("annotated", {"count": 3}),
    "pydantic": ("introduce", {"person": {"name": "Ada", "born": "1815-12-10"}}),
    "pydantic with alias": (
        "introduce",
        {
            "person": {"name": "A", "born": "1815-12-10", "address": {"street": "s", "zipCode": "12"}},
            "others": [{"name": "B", "born": "1990-01-01"}],
        },
    ),
    "pydantic wrong": ("introduce", {"person": {"name": "Ada", "born": "yesterday"}}),
    "dataclass": ("measure", {"point": {"x": 1}, "more": [{"x": 2, "y": 3}]}),
    "dataclass wrong": ("measure", {"point": {"y": 1}}),
    "times": ("when", {"at": "2024-05-06T07:08:09", "on": "2024-05-06"}),
    "sync in a thread": ("in_a_thread", {"word": "ab"}),
    "method": ("count", {"by": 2}),
    "method with default": ("count", {}),
    "broken json": ("defaults", '{"a": '),
}
CALLS = {
    **ARGUMENTS,
    **{f"returns {kind}": ("returns", {"kind": kind}) for kind in RETURNS if kind != "like_ours"},
    **{f"raises {kind}": ("raises", {"kind": kind}) for kind in RAISES},
}


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
    [(ConcurrentToolExecutor(), 1), (SequentialToolExecutor(), 4)],  # one after the other, all take long
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


def text_of(parity: Parity) -> str:
    (answer,) = parity.durable.given[-1]["messages"][-1]["content"]
    return answer["toolResult"]["content"][0]["text"]


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
            tools=tools_of(MakeAgent(None, cast("Any", None))),
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
        tools=tools_of(MakeAgent(ScriptedModel(), cast("Any", None))),
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


# --- What cannot work is refused when the tool is made ------------------------------------------------------


@activity.defn
async def field_in_annotation(count: Annotated[int, Field(gt=0)]) -> str:
    """Use what Strands refuses."""
    return str(count)


@activity.defn
async def wants_agent(agent: Any) -> str:
    """Take the agent."""
    return str(agent)


@activity.defn
async def any_number(*words: str) -> str:
    """Take any number."""
    return str(words)


@activity.defn
def yields_things() -> Any:
    """Yield."""
    yield 1


@pytest.mark.parametrize(
    ("function", "match"),
    [
        (field_in_annotation, "pydantic.Field within Annotated is not yet supported"),
        (wants_agent, "a parameter 'agent'.*strands_temporal.activity.ToolContext"),
        (any_number, r"\*words.*has no name"),
        (yields_things, "report_progress"),
    ],
)
def test_refused_when_the_tool_is_made(function: Any, match: str) -> None:
    with pytest.raises(Exception, match=match) as refused:
        activity_as_tool(function)
    assert isinstance(refused.value, ApplicationError)  # so that it ends a workflow
    assert refused.value.non_retryable


def test_name_description_and_schema_as_in_strands_decorator() -> None:
    schema: dict[str, Any] = {"json": {"type": "object", "properties": {"a": {"type": "integer"}}}}
    options: dict[str, Any] = {"name": "other", "description": "Other.", "inputSchema": schema}
    ours = activity_as_tool(ACTIVITIES["defaults"], **options)
    assert ours.tool_spec == strands.tool(**options)(defaults).tool_spec
    assert ours.tool_name == "other"


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_the_spec_is_that_of_the_plain_tool(function: Any) -> None:
    plain: Any = strands.tool(function)
    assert activity_as_tool(ACTIVITIES[function.__name__]).tool_spec == plain.tool_spec


def test_a_methods_spec_is_that_of_the_bound_method() -> None:
    plain = strands.tool(COUNTER.count).tool_spec
    assert activity_as_tool(Counter.count).tool_spec == plain
    assert activity_as_tool(COUNTER.count).tool_spec == plain
    assert "self" not in str(plain)


@activity.defn
class Callable1:
    async def __call__(self, word: str) -> str:
        """Call an object."""
        return f"called {word}"


async def test_an_activity_that_is_an_object(client: Client, worker_options: dict[str, Any]) -> None:
    async def plain(word: str) -> str:
        """Call an object."""
        return f"called {word}"

    parity = await run_parity(
        client,
        Scenario(
            script=lambda: ScriptedModel(use_tool("Callable1", {"word": "me"}), echo),
            build=lambda make: make(
                tools=[activity_as_tool(Callable1) if make.durable else strands.tool(name="Callable1")(plain)]
            ),
            drive=prompts("go"),
            activities=[Callable1()],
        ),
        **worker_options,
    )
    parity.assert_equal()
    assert text_of(parity) == "called me"


async def test_a_sync_activity_on_a_worker_without_an_executor_is_refused_at_its_start(
    client: Client,
) -> None:
    with pytest.raises(ValueError, match="in_a_thread is not async so an activity_executor must be present"):
        Worker(client, task_queue="t", activities=[ACTIVITIES["in_a_thread"]], plugins=[StrandsPlugin()])


def test_not_an_activity() -> None:
    with pytest.raises(AgentTypeError, match="is not an activity"):
        activity_as_tool(no_arguments.__call__)
