"""Conversations that are too long, models that notice, and agents that shorten them."""

import copy
from collections.abc import AsyncGenerator, Callable
from typing import Any

from strands import Agent, tool
from strands.agent.conversation_manager import ConversationManager, SummarizingConversationManager
from strands.hooks import BeforeModelCallEvent, HookProvider, HookRegistry
from strands.models import Model
from strands.types.exceptions import ContextWindowOverflowException

from strands_temporal import TemporalModel
from strands_temporal.testing import AgentFactory, Reply, ScriptedCall, ScriptedModel, say, use_tool


def long_conversation(count: int = 20, words: int = 1) -> list[Any]:
    """Return a conversation that a user and an assistant had."""
    return [
        {
            "role": "user" if number % 2 == 0 else "assistant",
            "content": [{"text": f"message {number} " * words}],
        }
        for number in range(count)
    ]


def is_summary(call: ScriptedCall) -> bool:
    """Tell whether a call asks for a summary."""
    return "summar" in str(call.system_prompt).lower()


def overflowing(call: ScriptedCall) -> Reply:
    """Take twelve messages at most; summarize when asked to."""
    if is_summary(call):
        return say(f"a summary of {len(call.messages)}")
    if len(call.messages) > 12:
        raise ContextWindowOverflowException("too long")
    return say(f"answer to {len(call.messages)}")


def script() -> ScriptedModel:
    return ScriptedModel(overflowing)


def small() -> ScriptedModel:
    """A model that never overflows, and says that its context window is small."""
    return ScriptedModel(
        lambda call: say("short" if is_summary(call) else f"answer to {len(call.messages)}"),
        config={"context_window_limit": 250},
    )


class Counting(ScriptedModel):
    """A model with a count of its own, and the setting that Strands' providers have for it."""

    def __init__(self, *, native: bool = True) -> None:
        super().__init__(
            lambda call: say("ok"), config={"use_native_token_count": native, "context_window_limit": 500}
        )

    async def count_tokens(self, messages: Any, *args: Any, **kwargs: Any) -> int:
        if self.config["use_native_token_count"]:
            return 100 * len(messages)
        return await super().count_tokens(messages, *args, **kwargs)


class Projected(HookProvider):
    """Writes down what a hook is told of the tokens of each call, and of the model's limit."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        registry.add_callback(BeforeModelCallEvent, self._note)

    def _note(self, event: BeforeModelCallEvent) -> None:
        self.seen.append([event.projected_input_tokens, event.agent.model.context_window_limit])


# --- Managers -----------------------------------------------------------------------------------------------


class Shortener(Model):
    """A user's own model that needs no I/O: it runs in the workflow."""

    def update_config(self, **model_config: Any) -> None: ...

    def get_config(self) -> dict[str, Any]:
        return {}

    async def stream(self, messages: Any, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        yield {"messageStart": {"role": "assistant"}}
        yield {"contentBlockStart": {"start": {}}}
        yield {"contentBlockDelta": {"delta": {"text": f"{len(messages)} messages in short"}}}
        yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "end_turn"}}

    async def structured_output(self, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        raise NotImplementedError
        yield


class Halving(SummarizingConversationManager):
    """A user's own manager. It reduces the context without calling a model."""

    def reduce_context(self, agent: Agent, e: Exception | None = None, **kwargs: Any) -> None:
        del agent.messages[: len(agent.messages) // 2 // 2 * 2]


class Noting(SummarizingConversationManager):
    """A user's subclass that adds something before and after Strands' own work."""

    def reduce_context(self, agent: Agent, e: Exception | None = None, **kwargs: Any) -> None:
        before = len(agent.messages)
        super().reduce_context(agent, e, **kwargs)
        agent.state.set("reduced", [*(agent.state.get("reduced") or []), [before, len(agent.messages)]])


class Asking(ConversationManager):
    """A user's own manager, which calls agents of its own, two for each reduction."""

    def apply_management(self, agent: Agent, **kwargs: Any) -> None: ...

    def reduce_context(self, agent: Agent, e: Exception | None = None, **kwargs: Any) -> None:
        parts = [agent.messages[:6], agent.messages[6:12]]
        texts: list[str] = []
        for part in parts:
            asked = Agent(
                agent.aux_model,
                messages=copy.deepcopy(part),
                system_prompt="Summarize.",
                callback_handler=None,
                retry_strategy=None,
            )
            texts.append(str(asked("Now.")))
        agent.messages[:12] = [{"role": "user", "content": [{"text": " ".join(texts)}]}]
        self.removed_message_count += 11


@tool
def look_up(word: str) -> str:
    """Look a word up."""
    return f"{word} means something"


def asks_a_tool(call: ScriptedCall) -> Reply:
    """As `overflowing`, with a summarizer that calls its tool first."""
    if is_summary(call) and "toolResult" not in call.messages[-1]["content"][-1]:
        return use_tool("look_up", {"word": "durable"})
    return overflowing(call)


def summarizer(make: AgentFactory, **arguments: Any) -> Agent:
    return make(system_prompt="You summarize.", name="summarizer", **arguments)


def plain_summarizer(make: AgentFactory) -> Agent:
    """A `strands.Agent`, in the workflow with a handle."""
    model = TemporalModel("scripted") if make.durable else summarizer(make).model
    return Agent(model, system_prompt="You summarize.", callback_handler=None, retry_strategy=None)


Make = Callable[[AgentFactory], Any]

MANAGERS: dict[str, Make] = {
    "as it is": lambda make: SummarizingConversationManager(),
    "with settings": lambda make: SummarizingConversationManager(
        0.8, 4, summarization_system_prompt="Summarize!", pin_first=2
    ),
    "with a TemporalAgent": lambda make: SummarizingConversationManager(summarization_agent=summarizer(make)),
    "with a plain agent": lambda make: SummarizingConversationManager(
        summarization_agent=plain_summarizer(make)
    ),
    "with an agent with tools": lambda make: SummarizingConversationManager(
        summarization_agent=summarizer(make, tools=[look_up])
    ),
    "with a model of the user's": lambda make: SummarizingConversationManager(
        summarization_agent=Agent(Shortener(), callback_handler=None)
    ),
    "a subclass": lambda make: Noting(),
    "a subclass that needs no model": lambda make: Halving(),
    "the user's own": lambda make: Asking(),
}


def with_aux_model(make: AgentFactory) -> dict[str, Any]:
    """Return arguments for an auxiliary model by name. In the plain run it is the agent's own model."""
    return {"aux_model": "scripted"} if make.durable else {}


def inner_agent(make: AgentFactory, manager: ConversationManager) -> Agent:
    """A plain agent that a `TemporalAgent` has as a tool."""
    model = TemporalModel("scripted") if make.durable else make().model
    return Agent(
        model,
        name="inner",
        description="Answers.",
        messages=long_conversation(),
        conversation_manager=manager,
        callback_handler=None,
        retry_strategy=None,
    )
