"""`ConversationClient` and a server that refuses an update because no worker looked at it."""

from typing import Any

import pytest
from packages.core.tests.unprocessed import not_ready
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from strands_temporal import ConversationClient, TurnResult

NOT_PROCESSED = WorkflowUpdateFailedError(ApplicationError("not processed", type="UnprocessedUpdate"))


class Replaced:
    """A workflow's handle while its worker is replaced: so many updates are not looked at."""

    def __init__(self, times: int, error: Exception) -> None:
        self.left, self.ids, self.error = times, list[str](), error

    async def execute_update(self, name: str, *args: Any, id: str, **options: Any) -> TurnResult:
        self.ids.append(id)
        if self.left == 0:
            return TurnResult(1, "done", "end_turn")
        self.left -= 1
        raise self.error


class Chat(ConversationClient):
    """A client of that workflow."""

    def __init__(self, replaced: Replaced, client: Any) -> None:
        super().__init__(client, "chat-1")
        self.replaced = replaced

    @property
    def handle(self) -> Any:
        return self.replaced


@pytest.mark.server
@pytest.mark.parametrize("error", [NOT_PROCESSED, not_ready()], ids=["not", "failed"])
async def test_a_message_that_no_worker_looked_at_is_sent_again(
    client: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr("strands_temporal._client_updates._PAUSE", 0.0)
    replaced = Replaced(3, error)
    assert (await Chat(replaced, client).send("Hello", id="m1")).text == "done"
    assert replaced.ids == ["m1"] * 4
    with pytest.raises(type(error)):
        await Chat(Replaced(10_000, error), client).send("Hello")


@pytest.mark.server
async def test_a_run_without_room_for_updates_is_told_at_once(client: Any) -> None:
    full = Replaced(1, not_ready("QueryFailedFailure"))
    with pytest.raises(RPCError):
        await Chat(full, client).send("Hello")
    assert len(full.ids) == 1
