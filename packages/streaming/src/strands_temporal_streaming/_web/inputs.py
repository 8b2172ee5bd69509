"""Reads the body of a run's request: a `RunAgentInput`, checked."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ag_ui.core import Message, ResumeEntry, RunAgentInput, ToolMessage, UserMessage
from pydantic import ValidationError

from .errors import UNKNOWN_TOOL, WebError, refuse
from .messages import prompt_of

LONGEST_ID = 200
"""Characters of a thread's or a run's id."""


@dataclass(frozen=True)
class RunRequest:
    """What a front end asks for.

    Attributes:
        thread: Id of the thread.
        run: Id of the run.
        prompt: The new message for the agent; None if the request answers what waits.
        answers: Results of front-end tools that are after the agent's last message.
        resume: Answers to questions.
        messages: The conversation as the front end has it.
    """

    thread: str
    run: str
    prompt: Any
    answers: list[ToolMessage]
    resume: list[ResumeEntry]
    messages: list[Message]

    @property
    def new_messages(self) -> list[Message]:
        """The front end's messages after the agent's last one."""
        return _after_last_answer(self.messages)


def read_input(body: bytes, client_tools: Sequence[str]) -> RunRequest:
    """Return the request in a body.

    Args:
        body: The body.
        client_tools: Names of the tools that the agent lets a front end run.

    Raises:
        WebError: If it is no `RunAgentInput`, or asks for what the agent does not do.
    """
    try:
        given = RunAgentInput.model_validate(json.loads(body))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise WebError(f"This is no RunAgentInput: {where}: {first['msg']}", "BAD_REQUEST") from None
    except (ValueError, RecursionError) as error:
        raise WebError(f"The body is not JSON: {error}", "BAD_REQUEST") from None
    check_id("threadId", given.thread_id)
    check_id("runId", given.run_id)
    _check_tools([tool.name for tool in given.tools or ()], client_tools)
    new = _after_last_answer(given.messages)
    spoken = [message for message in new if isinstance(message, UserMessage)]
    answers = [message for message in new if isinstance(message, ToolMessage)]
    resume = list(given.resume or ())
    if not (spoken or answers or resume):
        refuse("messages: there is nothing new in them. Put the person's message after the agent's last one")
    prompt = prompt_of(spoken) if spoken and not resume else None
    return RunRequest(given.thread_id, given.run_id, prompt, answers, resume, given.messages)


def check_id(name: str, id_: str) -> None:
    """Check the id of a thread or a run.

    Raises:
        WebError: If it is empty, too long, or has characters that cannot be shown.
    """
    if not id_.strip() or len(id_) > LONGEST_ID or not id_.isprintable():
        refuse(f"{name}: {id_[:50]!r} is not 1 to {LONGEST_ID} printable characters")


def _after_last_answer(messages: Sequence[Message]) -> list[Message]:
    new: list[Message] = []
    for message in reversed(messages):
        if message.role == "assistant":
            break
        new.append(message)
    return new[::-1]


def _check_tools(asked: Sequence[str], known: Sequence[str]) -> None:
    unknown = sorted(set(asked) - set(known))
    if unknown:
        declared = ", ".join(sorted(known)) or "none"
        refuse(
            f"tools: the agent has no front-end tool {', '.join(map(repr, unknown))}. A front end runs only "
            f"the agent's client tools ({declared}): declare one with @client_tool in the agent",
            UNKNOWN_TOOL,
        )
