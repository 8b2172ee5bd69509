"""Shared by the tests of messages that steer a turn: an agent whose conversation is kept elsewhere too."""

import json
from typing import Any

from packages.core.tests.workflow.conversation_scenes import ChatStart, look_up, read_file
from strands import Agent
from strands.hooks import AfterToolsEvent
from strands.session import RepositorySessionManager, SessionRepository, SnapshotSessionManager
from strands.types.session import Session, SessionAgent, SessionMessage
from temporalio import workflow

from strands_temporal import ConversationEnd, TemporalAgent
from strands_temporal.testing import ScriptedModel
from strands_temporal.workflow import Conversation, TemporalStorage, client_tool


class TextRepository(SessionRepository):
    """Keeps sessions as JSON texts, and does no I/O."""

    def __init__(self, stored: dict[str, Any] | None = None) -> None:
        self.stored: dict[str, Any] = stored or {}

    def create_session(self, session: Session, **kwargs: Any) -> Session:
        self.stored["session"] = json.dumps(session.to_dict())
        return session

    def read_session(self, session_id: str, **kwargs: Any) -> Session | None:
        text = self.stored.get("session")
        return Session.from_dict(json.loads(text)) if text else None

    def create_agent(self, session_id: str, session_agent: SessionAgent, **kwargs: Any) -> None:
        self.update_agent(session_id, session_agent)

    def read_agent(self, session_id: str, agent_id: str, **kwargs: Any) -> SessionAgent | None:
        text = self.stored.get("agent")
        return SessionAgent.from_dict(json.loads(text)) if text else None

    def update_agent(self, session_id: str, session_agent: SessionAgent, **kwargs: Any) -> None:
        self.stored["agent"] = json.dumps(session_agent.to_dict())

    def create_message(
        self, session_id: str, agent_id: str, session_message: SessionMessage, **kwargs: Any
    ) -> None:
        self.update_message(session_id, agent_id, session_message)

    def read_message(
        self, session_id: str, agent_id: str, message_id: int, **kwargs: Any
    ) -> SessionMessage | None:
        return self.list_messages(session_id, agent_id)[message_id]

    def update_message(
        self, session_id: str, agent_id: str, session_message: SessionMessage, **kwargs: Any
    ) -> None:
        key = f"message {session_message.message_id:03}"
        self.stored[key] = json.dumps(session_message.to_dict())

    def list_messages(
        self, session_id: str, agent_id: str, limit: int | None = None, offset: int = 0, **kwargs: Any
    ) -> list[SessionMessage]:
        texts = [text for key, text in sorted(self.stored.items()) if key.startswith("message ")]
        return [SessionMessage.from_dict(json.loads(text)) for text in texts][offset:]


def restored(stored: dict[str, Any]) -> list[Any]:
    """Return the messages of a plain agent that restores a session."""
    manager = RepositorySessionManager("s", TextRepository(stored))
    agent = Agent(ScriptedModel("no turn"), agent_id="a", session_manager=manager, callback_handler=None)
    return agent.messages


def end_turn(event: AfterToolsEvent) -> None:
    """End the turn after its tools."""
    event.end_turn = "enough"


@workflow.defn
class SteeredChat:
    """A chat with a session, whose agent reads messages that come during its turn."""

    @workflow.init
    def __init__(self, start: ChatStart) -> None:
        self.repository = TextRepository()
        self.kind = start.maker
        limits: Any = {"turns": 1} if start.maker == "limits" else None
        self.chat = Conversation(start, self.make_agent, while_busy="steer", limits=limits)
        if start.maker == "ends":
            self.chat.agent.add_hook(end_turn, AfterToolsEvent)

    def make_agent(self) -> TemporalAgent:
        manager: Any = RepositorySessionManager("s", self.repository)
        if self.kind == "snapshots":
            manager = SnapshotSessionManager(
                "s", storage=TemporalStorage("sessions"), save_latest_on="message"
            )
        return TemporalAgent(
            "m",
            agent_id="a",
            tools=[look_up, client_tool(read_file)],
            session_manager=manager,
            callback_handler=None,
        )

    @workflow.query
    def stored(self) -> dict[str, Any]:
        return self.repository.stored

    @workflow.run
    async def run(self, start: ChatStart) -> ConversationEnd:
        return await self.chat.run()
