"""A real model behind a provider that fails at first."""

from collections.abc import AsyncGenerator, AsyncIterable
from typing import Any

from strands.models import Model
from strands.types.content import Messages
from strands.types.exceptions import ModelThrottledException
from strands.types.streaming import StreamEvent
from strands.types.tools import ToolSpec
from temporalio import activity


class Unsteady(Model):
    """Refuses the first attempts of each call, as a busy provider would; then the model answers.

    Args:
        model: The model that answers.
        failures: How many attempts of each call fail.
    """

    def __init__(self, model: Model, failures: int) -> None:
        self._model = model
        self._failures = failures

    async def stream(
        self,
        messages: Messages,
        tool_specs: list[ToolSpec] | None = None,
        system_prompt: str | None = None,
        **kwargs: Any,
    ) -> AsyncIterable[StreamEvent]:
        """See base class."""
        attempt = activity.info().attempt  # runs inside the activity that calls the model
        if attempt <= self._failures:
            print(f"Attempt {attempt}: throttled", flush=True)
            raise ModelThrottledException(f"The provider is busy (attempt {attempt})")
        print(f"Attempt {attempt}: answered", flush=True)
        async for event in self._model.stream(messages, tool_specs, system_prompt, **kwargs):
            yield event

    def structured_output(self, *args: Any, **kwargs: Any) -> AsyncGenerator[dict[str, Any], None]:
        """See base class."""
        return self._model.structured_output(*args, **kwargs)

    def get_config(self) -> Any:
        """See base class."""
        return self._model.get_config()

    def update_config(self, **model_config: Any) -> None:
        """See base class."""
        self._model.update_config(**model_config)
