"""`ComposablePlugin`: resources shared by its workers, and activities that are added once."""

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin
from strands_temporal.extension import ComposablePlugin, activity_name
from strands_temporal.testing import ScriptedModel

SOON = 10


@workflow.defn
class Idle:
    @workflow.run
    async def run(self) -> None: ...


class Opening(ComposablePlugin):
    """Notes when it opens and closes, and may fail once."""

    def __init__(self, *failures: Exception) -> None:
        super().__init__("test.Opening")
        self.log: list[str] = []
        self.failures = list(failures)

    async def open(self) -> None:
        if self.failures:
            raise self.failures.pop()
        self.log.append("open")

    async def close(self) -> None:
        self.log.append("close")


def worker_of(client: Client, *plugins: ComposablePlugin) -> Worker:
    return Worker(client, task_queue=f"lifetime-{uuid.uuid4()}", workflows=[Idle], plugins=list(plugins))


@pytest.mark.server
async def test_workers_of_one_plugin_share_what_it_opens(client: Client) -> None:
    plugin = Opening()
    async with worker_of(client, plugin):
        async with worker_of(client, plugin):
            pass
        assert plugin.log == ["open"]
    assert plugin.log == ["open", "close"]
    async with worker_of(
        Client(client.service_client, plugins=[plugin]), plugin
    ):  # the worker gets the plugin twice
        pass
    assert plugin.log == ["open", "close"] * 2


@pytest.mark.server
async def test_a_worker_whose_plugin_cannot_open_says_why_and_the_next_one_starts(client: Client) -> None:
    outer, plugin = Opening(), Opening(OSError("no such server"))

    async def run_forever() -> None:
        async with worker_of(client, outer, plugin):
            await asyncio.Event().wait()

    with pytest.raises(OSError, match="no such server"):
        await asyncio.wait_for(run_forever(), SOON)
    assert (outer.log, plugin.log) == (["open", "close"], [])
    async with worker_of(client, outer, plugin):
        pass
    assert (outer.log, plugin.log) == (["open", "close"] * 2, ["open", "close"])


# --- Activities


class Greeter:
    @activity.defn
    async def greet(self) -> None: ...

    @activity.defn
    async def wave(self) -> None: ...


class Greeting(ComposablePlugin):
    """Brings two activities."""

    def __init__(self, configuration: dict[str, object] | None = None) -> None:
        greeter = Greeter()
        super().__init__(
            "test.Greeting", activities=[greeter.greet, greeter.wave], configuration=configuration
        )


class Other(ComposablePlugin):
    """Brings an activity of the same name."""

    def __init__(self) -> None:
        super().__init__("test.Other", activities=[Greeter().wave])


@activity.defn
async def greet() -> None: ...


@activity.defn
async def mine() -> None: ...


def activities(*plugins: ComposablePlugin, given: tuple[Callable[..., Any], ...] = ()) -> list[str | None]:
    """Return the names of the activities that a worker with these plugins runs."""
    config: Any = {"activities": list(given)}
    for plugin in plugins:
        config = plugin.configure_worker(config)
    return [activity_name(function) for function in config["activities"]]


def test_activities_are_there_once_after_the_users() -> None:
    plugin, equal = Greeting({"tone": "warm"}), Greeting({"tone": "warm"})
    assert activities(plugin, given=(mine,)) == ["mine", "greet", "wave"]
    assert activities(plugin, plugin, given=(mine,)) == ["mine", "greet", "wave"]
    assert activities(plugin, equal) == ["greet", "wave"]


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        (
            Greeting({"tone": "warm", "names": {"b": 1, "a": 2}}),
            Greeting({"tone": "warm", "names": {}}),
            r"Two Greetings with different names meet on one worker: \['a', 'b'\] and \[\]\. Pass one plugin",
        ),
        (Greeting({"tone": "warm"}), Greeting({"tone": "cool"}), "different tone .*: 'warm' and 'cool'"),
        (Greeting(), Greeting(), "Two Greetings on one worker have an activity 'greet'. Pass one plugin"),
        (Greeting(), Other(), "already has an activity 'wave': .*Greeter.wave.* Other needs that name"),
    ],
    ids=["another mapping", "another value", "nothing to compare", "another class"],
)
def test_plugins_that_differ_are_refused(first: Greeting, second: ComposablePlugin, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        activities(first, second)


def test_an_unknown_option_suggests_the_known_one() -> None:
    options: dict[str, Any] = {"model": lambda: ScriptedModel("hello")}
    with pytest.raises(
        TypeError, match=r"^StrandsPlugin has no option 'model'. Did you mean 'models'\? Known: mod"
    ):
        StrandsPlugin(**options)
    with pytest.raises(TypeError, match=r"^Opening has no option 'model'\. Known: none$"):
        Opening(**options)


def test_an_activity_of_the_users_that_has_our_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"already has an activity 'greet': .*\. Greeting needs that name"):
        activities(Greeting({}), given=(greet,))


def test_strands_plugins_with_other_tools_are_refused_in_either_order() -> None:
    models = {"m": lambda: ScriptedModel()}
    bare, hosting = StrandsPlugin(models=models), StrandsPlugin(models=models, tools={"t": lambda: 5})
    for first, second, names in ((bare, hosting, r"\[\] and \['t'\]"), (hosting, bare, r"\['t'\] and \[\]")):
        with pytest.raises(ValueError, match=f"different tools meet on one worker: {names}"):
            activities(first, second)
