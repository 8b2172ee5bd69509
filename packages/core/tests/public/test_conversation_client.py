"""`ConversationClient` and a server that refuses an update because no worker looked at it."""

from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from strands_temporal import ConversationClient, TurnResult


class Replaced:
    """A workflow's handle while its worker is replaced: so many updates are not looked at."""

    def __init__(self, times: int) -> None:
        self.left, self.ids = times, list[str]()

    async def execute_update(self, name: str, *args: Any, id: str, **options: Any) -> TurnResult:
        self.ids.append(id)
        if self.left == 0:
            return TurnResult(1, "done", "end_turn")
        self.left -= 1
        raise WorkflowUpdateFailedError(ApplicationError("not processed", type="UnprocessedUpdate"))


class Chat(ConversationClient):
    """A client of that workflow."""

    def __init__(self, replaced: Replaced, client: Any) -> None:
        super().__init__(client, "chat-1")
        self.replaced = replaced

    @property
    def handle(self) -> Any:
        return self.replaced


@pytest.mark.server
async def test_a_message_that_no_worker_looked_at_is_sent_again(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strands_temporal._client_updates._PAUSE", 0.0)
    replaced = Replaced(3)
    assert (await Chat(replaced, client).send("Hello", id="m1")).text == "done"
    assert replaced.ids == ["m1"] * 4
    with pytest.raises(WorkflowUpdateFailedError):
        await Chat(Replaced(10_000), client).send("Hello")
