"""Activity tools get arguments of the same types as plain tools, with any converter."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast
from uuid import UUID, uuid4

import pytest
import strands
from conftest import Agents
from pydantic import AnyUrl, BaseModel, Field, SecretBytes, SecretStr
from strands import Agent
from strands.tools.executors import SequentialToolExecutor
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter
from temporalio.worker import Worker
from typing_extensions import TypedDict

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal.activity import ToolContext
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, assert_replays, say, use_tools
from strands_temporal.workflow import TemporalTools, activity_as_tool

pytestmark = pytest.mark.server


class Color(Enum):
    RED = "red"


class Size(str, Enum):
    LARGE = "large"


class Level(IntEnum):
    HIGH = 3


class Account(BaseModel):
    owner: str
    balance: Decimal
    pin: SecretStr
    opened: date = Field(alias="openedOn")


@dataclass
class Order:
    item: str
    price: Decimal
    codes: frozenset[int]


class Trip(TypedDict):
    by: str
    on: date


class Pair(NamedTuple):
    a: int
    b: Decimal


def shown(value: Any) -> str:
    """Return a value with its type; a Pydantic model as a dict, as in a plain tool."""
    if isinstance(value, BaseModel):
        return shown(value.model_dump())
    if isinstance(value, Order):
        return shown(vars(value))
    if isinstance(value, dict):
        items = cast("dict[Any, Any]", value).items()
        return f"dict({', '.join(f'{shown(key)}={shown(item)}' for key, item in items)})"
    if isinstance(value, (list, tuple, set, frozenset)):
        inner = cast("list[Any]", value)
        kind = (
            "tuple" if isinstance(value, tuple) else type(inner).__name__
        )  # a plain tool gets no NamedTuple
        return f"{kind}({', '.join(map(shown, inner))})"
    if isinstance(value, (SecretStr, SecretBytes)):
        return f"{type(value).__name__}({value.get_secret_value()!r})"
    return f"{type(value).__name__}({value!a})"


NONE: Any = object()

# Name: the parameter's type, the model's JSON, what the tool saw.
KINDS: dict[str, tuple[Any, Any, str]] = {
    "secret": (SecretStr, "sesame", "SecretStr('sesame')"),
    "secret_bytes": (SecretBytes, "sesame", "SecretBytes(b'sesame')"),
    "secret_or_none": (SecretStr | None, "sesame", "SecretStr('sesame')"),
    "secrets": (list[SecretStr], ["a", "b"], "list(SecretStr('a'), SecretStr('b'))"),
    "decimal": (Decimal, "12.30", "Decimal(Decimal('12.30'))"),
    "decimal_of_number": (Decimal, 12.5, "Decimal(Decimal('12.5'))"),
    "decimal_or_none": (Decimal | None, None, "NoneType(None)"),
    "int_or_decimal": (int | Decimal, "1.5", "Decimal(Decimal('1.5'))"),
    "date": (date, "2024-05-06", "date(datetime.date(2024, 5, 6))"),
    "datetime": (datetime, "2024-05-06T07:08:09Z", "datetime(datetime.datetime(2024, 5, 6, 7, 8, 9, tzinfo"),
    "time": (time, "07:08", "time(datetime.time(7, 8))"),
    "timedelta": (timedelta, "PT90M", "timedelta(datetime.timedelta(seconds=5400))"),
    "enum": (Color, "red", "Color(<Color.RED: 'red'>)"),
    "text_enum": (Size, "large", "Size(<Size.LARGE: 'large'>)"),
    "int_enum": (Level, 3, "Level(<Level.HIGH: 3>)"),
    "url": (AnyUrl, "https://example.com/a", "AnyUrl(AnyUrl('https://example.com/a'))"),
    "uuid": (
        UUID,
        "00000000-0000-0000-0000-00000000000a",
        "UUID(UUID('00000000-0000-0000-0000-00000000000a'))",
    ),
    "path": (Path, "a/b", "PosixPath(PosixPath('a/b'))"),
    "address": (IPv4Address, "127.0.0.1", "IPv4Address(IPv4Address('127.0.0.1'))"),
    "pattern": (re.Pattern[str], "a+", "Pattern(re.compile('a+'))"),
    "set": (set[int], [3, 3], "set(int(3))"),
    "frozenset": (frozenset[str], ["x"], "frozenset(str('x'))"),
    "tuple": (tuple[int, str], [1, "a"], "tuple(int(1), str('a'))"),
    "bytes": (bytes, "abc", "bytes(b'abc')"),
    "keys": (dict[int, Decimal], {"1": "2.0"}, "dict(int(1)=Decimal(Decimal('2.0')))"),
    "date_keys": (
        dict[date, list[int]],
        {"2024-05-06": [1]},
        "dict(date(datetime.date(2024, 5, 6))=list(int(1)))",
    ),
    "keys_within": (
        list[dict[Decimal, set[int]]],
        [{"1.5": [2]}],
        "list(dict(Decimal(Decimal('1.5'))=set(int(2))))",
    ),
    "model": (
        Account,
        {"owner": "eve", "balance": "1.10", "pin": "1234", "openedOn": "2020-01-02"},
        "dict(str('owner')=str('eve'), str('balance')=Decimal(Decimal('1.10')), str('pin')=SecretStr(",
    ),
    "models": (list[Account] | None, [], "list()"),
    "dataclass": (Order, {"item": "tea", "price": "3.5", "codes": [7]}, "dict(str('item')=str('tea'), "),
    "typed_dict": (Trip, {"by": "train", "on": "2024-05-06"}, "dict(str('by')=str('train'), str('on')=date("),
    "named_tuple": (Pair, [1, "2.5"], "tuple(int(1), Decimal(Decimal('2.5')))"),
    "literal": (Literal["a", 1], 1, "int(1)"),
    "half_a_pair": (str, "half \ud83d a pair", r"str('half \ud83d a pair')"),
    "half_pairs_within": (dict[str, list[str]], {"a": ["\udce9"]}, r"dict(str('a')=list(str('\udce9')))"),
    "anything": (Any, {"$b64": "YQ==", "n": [1.5, None]}, "dict(str('$b64')=str('YQ=='), str('n')=list("),
    "like_bytes": (dict[str, str], {"$b64": "YQ=="}, "dict(str('$b64')=str('YQ=='))"),
    "like_ours": (
        dict[str, Any],
        {"input": {}, "strands_arguments": 1},
        "dict(str('input')=dict(), str('strands_",
    ),
    "untyped": (NONE, [1, "a"], "list(int(1), str('a'))"),
    "coerced": (int, "7", "int(7)"),
}
DEFAULTS: dict[str, tuple[Any, Any, str]] = {
    "default_decimal": (Decimal, Decimal("0.10"), "Decimal(Decimal('0.10'))"),
    "default_secret": (SecretStr, SecretStr("none"), "SecretStr('none')"),
    "default_enum": (Color, Color.RED, "Color(<Color.RED: 'red'>)"),
    "default_of_any": (Any, Decimal(1), "Decimal(Decimal('1'))"),
    "default_field": (Decimal, Field(default=Decimal(2), ge=0), "Decimal(Decimal('2'))"),
}


def taking(name: str, hint: Any, *default: Any) -> Callable[..., Any]:
    """Return a function that takes a value of a type."""

    async def take(value: Any) -> str:
        return shown(value)

    take.__name__ = f"take_{name}"
    take.__annotations__ = {"return": str} if hint is NONE else {"value": hint, "return": str}
    take.__defaults__ = default or None
    return take


async def take_several(first: Decimal, second: str, third: date = date(2024, 1, 1)) -> str:
    """Take several, not all of them given."""
    return f"{shown(first)} {shown(second)} {shown(third)}"


AMOUNT: Any = Field(alias="theAmount")


async def take_alias(amount: Decimal = AMOUNT) -> str:
    """Take an argument that the model knows by another name."""
    return shown(amount)


FUNCTIONS: list[Callable[..., Any]] = [
    *(taking(name, hint) for name, (hint, _, _) in KINDS.items()),
    *(taking(name, hint, default) for name, (hint, default, _) in DEFAULTS.items()),
    take_several,
    take_alias,
]
CALLS: dict[str, tuple[dict[str, Any], str]] = {
    **{f"take_{name}": ({"value": given}, seen) for name, (_, given, seen) in KINDS.items()},
    **{f"take_{name}": ({}, seen) for name, (_, _, seen) in DEFAULTS.items()},
    "take_several": (
        {"second": "x", "first": 1},
        "Decimal(Decimal('1')) str('x') date(datetime.date(2024, 1, 1))",
    ),
    "take_alias": ({"theAmount": "1.5"}, "Decimal(Decimal('1.5'))"),
}
USES = use_tools([(name, given, name) for name, (given, _) in CALLS.items()])


def with_context(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return an activity like `function` that has a tool context as well."""

    async def take(value: Any, tool_context: ToolContext) -> str:
        assert tool_context.tool_use["input"].keys() == CALLS[function.__name__][0].keys()
        return await function(value)

    take.__name__ = function.__name__
    take.__annotations__ = {**function.__annotations__, "tool_context": ToolContext}
    if function.__defaults__:
        take.__defaults__ = (*function.__defaults__, None)
    return take


ACTIVITIES = [activity.defn(function) for function in FUNCTIONS]
CONTEXT_ACTIVITIES = [
    activity.defn(name=f"{function.__name__}_context")(with_context(function)) for function in FUNCTIONS[:-2]
]


def echo(call: ScriptedCall) -> Reply:
    return say("done")


def tools_of(kind: str, task_queue: str) -> list[Any]:
    match kind:
        case "activities":
            return [activity_as_tool(each) for each in ACTIVITIES]
        case "with context":
            return [activity_as_tool(each) for each in [*CONTEXT_ACTIVITIES, *ACTIVITIES[-2:]]]
        case "elsewhere":
            return [activity_as_tool(each, task_queue=task_queue) for each in ACTIVITIES]
        case "elsewhere, with context":
            activities = [*CONTEXT_ACTIVITIES, *ACTIVITIES[-2:]]
            return [activity_as_tool(each, task_queue=task_queue) for each in activities]
        case _:
            return [TemporalTools("take_*")]


@workflow.defn
class TypesWorkflow:
    @workflow.run
    async def run(self, kind: str, task_queue: str) -> None:
        agent = TemporalAgent(
            "m",
            tools=tools_of(kind, task_queue),
            callback_handler=None,
            tool_executor=SequentialToolExecutor(),
        )
        await agent.invoke_async("go")


def results(model: ScriptedModel) -> dict[str, str]:
    """Return what the model read, by the tool's name."""
    blocks = model.calls[-1].messages[-1]["content"]
    return {
        block["toolResult"]["toolUseId"]: str(block["toolResult"]["content"][0].get("text"))
        for block in blocks
        if "toolResult" in block
    }


async def in_a_plain_agent() -> dict[str, str]:
    model = ScriptedModel(USES, echo)
    agent = Agent(
        model,
        tools=[strands.tool(function) for function in FUNCTIONS],
        callback_handler=None,
        tool_executor=SequentialToolExecutor(),
    )
    await agent.invoke_async("go")
    return results(model)


async def test_a_plain_tool_gets_these() -> None:
    seen = await in_a_plain_agent()
    for name, (_, expected) in CALLS.items():
        assert seen[name].startswith(expected), name


def client_of(client: Client, converter: DataConverter, *plugins: Any) -> Client:
    config: Any = {**client.config(), "data_converter": converter, "plugins": plugins}
    return Client(**config)


CONVERTERS = {"json": DataConverter.default, "pydantic": pydantic_data_converter}
TOOLS_FROM = ("activities", "with context", "elsewhere", "elsewhere, with context", "hosted")
SETTINGS = [(plugin_on, name) for plugin_on in ("client", "worker") for name in CONVERTERS]
COMBINATIONS = [
    pytest.param(
        kind, *setting, marks=[] if (i + j) % 4 == 0 else pytest.mark.slow
    )  # `make test`: each kind once
    for i, kind in enumerate(TOOLS_FROM)
    for j, setting in enumerate(SETTINGS)
]


@pytest.mark.sample(3)
@pytest.mark.parametrize(("kind", "plugin_on", "converter"), COMBINATIONS)
async def test_an_activity_gets_the_same(
    client: Client, kind: str, plugin_on: str, converter: str, worker_options: dict[str, Any]
) -> None:
    model = ScriptedModel(USES, echo)
    plugin = StrandsPlugin(
        models={"m": lambda: model}, tools={f.__name__: strands.tool(f) for f in FUNCTIONS}
    )
    used = client_of(client, CONVERTERS[converter], *([plugin] if plugin_on == "client" else []))
    queue = f"test-{uuid4()}"
    async with Worker(
        used,
        task_queue=queue,
        workflows=[TypesWorkflow],
        activities=[*ACTIVITIES, *CONTEXT_ACTIVITIES],
        plugins=[plugin] if plugin_on == "worker" else [],
        **worker_options,
    ):
        handle = await used.start_workflow(TypesWorkflow.run, args=[kind, queue], id=queue, task_queue=queue)
        await handle.result()
    await assert_replays(handle, [TypesWorkflow])
    expected, got = await in_a_plain_agent(), results(model)
    for name in expected:
        assert got[name] == expected[name], name


@pytest.mark.slow
async def test_a_worker_without_the_plugin_gets_each_argument_in_its_place(
    client: Client, worker_options: dict[str, Any]
) -> None:
    model = ScriptedModel(USES, echo)
    plugin = StrandsPlugin(models={"m": lambda: model})
    used = client_of(client, pydantic_data_converter)
    queue, bare_queue = f"test-{uuid4()}", f"test-{uuid4()}"
    async with (
        Worker(used, task_queue=queue, workflows=[TypesWorkflow], plugins=[plugin], **worker_options),
        Worker(used, task_queue=bare_queue, activities=ACTIVITIES),
    ):
        await used.execute_workflow(
            TypesWorkflow.run, args=["elsewhere", bare_queue], id=queue, task_queue=queue
        )
    expected, got = await in_a_plain_agent(), results(model)
    wrong = {name for name in expected if got[name] != expected[name]}
    # These need the plugin: half a pair, a default without a type, a dict that looks like ours.
    assert wrong == {"take_half_a_pair", "take_half_pairs_within", "take_default_of_any", "take_like_ours"}


DIRECT: dict[str, Any] = {
    "take_decimal": Decimal("1.50"),
    "take_secret": SecretStr("sesame"),
    "take_secrets": [SecretStr("a"), "b"],
    "take_model": Account(
        owner="eve", balance=Decimal("1.1"), pin=SecretStr("1234"), openedOn=date(2020, 1, 2)
    ),
    "take_dataclass": Order("tea", Decimal("3.5"), frozenset({7})),
    "take_enum": Color.RED,
    "take_keys": {1: Decimal(2)},
    "take_bytes": b"\x00\xff",
    "take_anything": b"\x00\xff",
}


@workflow.defn
class DirectWorkflow:
    @workflow.run
    async def run(self, kind: str) -> dict[str, str]:
        agent = TemporalAgent("m", tools=tools_of(kind, workflow.info().task_queue), callback_handler=None)
        if kind == "hosted":
            await agent.invoke_async("go")  # lists the tools
        got = {
            name: str((await agent.tool_async.__getattr__(name)(value=value))["content"])
            for name, value in DIRECT.items()
        }
        odd = await agent.tool_async.take_anything(value=object())
        return {**got, "odd": str(odd["content"])}


@pytest.mark.parametrize("kind", ["activities", "with context", "elsewhere", "hosted"])
async def test_direct_calls_take_objects(agents: Agents, kind: str) -> None:
    plain = Agent(
        ScriptedModel(echo), tools=[strands.tool(function) for function in FUNCTIONS], callback_handler=None
    )
    expected = {
        name: str(getattr(plain.tool, name)(value=value)["content"]) for name, value in DIRECT.items()
    }
    plugin = StrandsPlugin(
        models={"m": lambda: ScriptedModel(echo)}, tools={f.__name__: strands.tool(f) for f in FUNCTIONS}
    )
    async with agents(
        workflows=[DirectWorkflow], activities=[*ACTIVITIES, *CONTEXT_ACTIVITIES], plugins=[plugin]
    ) as env:
        got = await env.run(DirectWorkflow.run, kind)
    assert "A object cannot cross to an activity" in got.pop("odd")
    assert got == expected
