"""`strands-temporal replay`, on a real server: a gate before a deploy."""

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.commands import desk
from packages.core.tests.commands.commanding import command
from packages.core.tests.commands.desk import Desk, activities, answer
from temporalio.client import Client

from strands_temporal.testing import ScriptedModel

pytestmark = pytest.mark.server


@pytest.fixture
def changed(tmp_path: Path) -> Any:
    """Writes the user's code with some text replaced, and returns its file."""

    def write(name: str, *replaced: tuple[str, str]) -> str:
        source = Path(desk.__file__).read_text()
        for before, after in replaced:
            assert before in source
            source = source.replace(before, after)
        file = tmp_path / f"{name}.py"
        file.write_text(source)
        return str(file)

    return write


async def test_what_would_break_and_where(
    agents: Agents, client: Client, changed: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = ScriptedModel(answer)
    async with agents(workflows=[Desk], activities=activities, models={"claude": lambda: model}) as env:
        handle = await env.start(Desk.run)
        assert await handle.execute_update("ask", "both A-7") == "got 3\norder A-7: one lamp"
        other = await env.start(Desk.run)
        await other.execute_update("ask", "hello")
        query = f"TaskQueue = '{env.task_queue}'"
    capfd.readouterr()
    same = await command(client, "replay", changed("same_desk"), "--query", query)
    assert (same.code, same.err) == (0, "")
    assert same.out.splitlines()[-1].startswith("All 2 replay with ")

    renamed = changed(
        "other_desk",
        ("async def find_order(", "async def find_parcel("),
        ("activity_as_tool(find_order,", 'activity_as_tool(find_parcel, name="find_order",'),
        ("[find_order, refund", "[find_parcel, refund"),
    )
    done = await command(client, "replay", renamed, "--query", query, "--json")
    assert (done.code, done.err) == (1, "")
    result = json.loads(done.out)
    assert (result["replayed"], result["broken"]) == (2, 1)
    by_id = {history["workflow_id"]: history for history in result["histories"]}
    assert by_id[other.id]["status"] == "replays"
    broken = by_id[handle.id]
    assert (broken["status"], broken["nondeterministic"]) == ("breaks", True)
    assert broken["recorded"] == ["activity find_order"]
    history = await handle.fetch_history()
    scheduled = [
        event.event_id
        for event in history.events
        if event.activity_task_scheduled_event_attributes.activity_type.name == "find_order"
    ]
    assert [broken["event"]] == scheduled
    assert broken["error"].startswith("[TMPRL1100] Nondeterminism error: ")
    assert broken["error"].endswith(
        "'find_order' does not match activity type of activity command 'find_parcel'"
    )

    (tmp_path / "histories").mkdir()
    (tmp_path / "histories" / "chat-1.json").write_text(history.to_json())
    stored = await command(client, "replay", renamed, "--histories", str(tmp_path / "histories"))
    assert stored.code == 1
    assert f"at event {scheduled[0]}" in stored.out
    assert "1 of 1 would stand still with " in stored.out
    # The SDK's core, whose log does not pass Python's standard output, has written nothing.
    assert capfd.readouterr() == ("", "")
    for left in (handle, other):
        await left.terminate()


@pytest.mark.slow
async def test_what_the_gate_refuses(agents: Agents, client: Client, changed: Any, tmp_path: Path) -> None:
    model = ScriptedModel(answer)
    async with agents(workflows=[Desk], activities=activities, models={"claude": lambda: model}) as env:
        handle = await env.start(Desk.run)
        await handle.execute_update("ask", "hello")
        await handle.terminate()
        query = f"TaskQueue = '{env.task_queue}'"
    unknown = changed("renamed_type", ("class Desk:", "class Office:"), ("[Desk]", "[Office]"))
    done = await command(client, "replay", unknown, "--query", query)
    assert done.code == 1
    assert "has no workflow of this type" in done.out
    assert "It has: Office" in done.out
    nothing = await command(client, "replay", changed("desk_again"), "--query", "WorkflowType = 'Nobody'")
    assert (nothing.code, "nothing is proven" in nothing.out) == (0, True)
    few = await command(
        client, "replay", changed("desk_more"), "--query", "WorkflowType = 'Nobody'", "--at-least", "1"
    )
    assert (few.code, few.err) == (1, "0 histories were found, and --at-least is 1\n")
    wrong = await command(client, "replay", changed("desk_query"), "--query", "Nonsense = ")
    assert wrong.code == 1
    assert "The server does not list the workflows of 'Nonsense = '" in wrong.err
    missing = await command(client, "replay", str(tmp_path / "no_such.py"))
    assert (missing.code, "There is no file" in missing.err) == (1, True)
    none = await command(client, "replay", changed("desk_none"), "--histories", str(tmp_path / "none"))
    assert (none.code, none.err) == (1, f"There is no file or folder {tmp_path / 'none'}\n")
    (tmp_path / "empty.json").write_text("{")
    bad = await command(client, "replay", changed("desk_file"), "--histories", str(tmp_path / "empty.json"))
    assert (bad.code, "is no history" in bad.err) == (1, True)
