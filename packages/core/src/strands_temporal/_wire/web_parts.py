"""What a web front end and a package that takes part in it say to each other.

A package declares a class in the entry point group `strands_temporal.web_parts`. The web app makes one object
per app, `cls(client)`, and asks it for the questions of its threads. A thread is a conversation; its id is
the workflow's.
"""

from dataclasses import dataclass
from typing import Any, Protocol

WEB_PARTS = "strands_temporal.web_parts"
"""Entry point group of the parts."""


class WebAnswerRefusedError(Exception):
    """A thread did not take an answer. Nothing changed in it.

    Attributes:
        kind: Why, in one word for programs.
    """

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class WebQuestion:
    """A question that a thread asks people.

    Attributes:
        id: Id of the question, which an answer names.
        name: The interrupt's name.
        reason: The interrupt's reason, as JSON values.
        text: What a person reads; None if there is only the reason.
        deadline: When the question is rejected automatically (ISO 8601); None if never.
        details: More about it, as JSON values: the tool, its arguments, their digest, the agent.
        response_schema: JSON schema of the usual answer; None if any value will do.
    """

    id: str
    name: str
    reason: Any = None
    text: str | None = None
    deadline: str | None = None
    details: dict[str, Any] | None = None
    response_schema: dict[str, Any] | None = None


class WebPart(Protocol):
    """What a package adds to a web front end: people's answers."""

    async def questions(self, thread: str) -> list[WebQuestion]:
        """Return the thread's open questions, oldest first; none if it has ended.

        Raises:
            WebAnswerRefusedError: If the thread cannot be asked.
        """
        ...

    async def answer(
        self, thread: str, question: WebQuestion, value: Any, *, rejects: bool, by: str, request: str
    ) -> str | None:
        """Answer a question. The same request with the same answer counts once.

        Args:
            thread: The thread.
            question: The question as the person saw it.
            value: The answer: True, False, an object with `approved`, or any other value.
            rejects: Whether the person gave no answer, which rejects.
            by: Who answers, verified by the app.
            request: Id of the request.

        Returns:
            What the question still waits for, for people to read; None if it is decided.

        Raises:
            WebAnswerRefusedError: If the thread refuses the answer, or cannot be asked.
        """
        ...
