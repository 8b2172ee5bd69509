"""`TemporalLLMSteeringHandler`: a judge model decides about an agent's tool calls."""

from typing import Any, Literal

from pydantic import BaseModel, Field
from strands import Agent
from strands.models import Model
from strands.types.tools import ToolUse
from strands.vended_plugins.steering import (
    Guide,
    Interrupt,
    LLMPromptMapper,
    LLMSteeringHandler,
    Proceed,
    SteeringContextProvider,
    ToolSteeringAction,
)
from typing_extensions import override

from .._errors import SteeringJudgeError
from .model import TemporalModel, as_durable_model


class _LLMSteering(BaseModel):  # name and texts of the judge's tool, as in Strands (1.62)
    """Structured output model for LLM steering decisions."""

    decision: Literal["proceed", "guide", "interrupt"] = Field(
        description="Steering decision: 'proceed' to continue, 'guide' to provide feedback, "
        "'interrupt' for human input"
    )
    reason: str = Field(description="Clear explanation of the steering decision and any guidance provided")


class TemporalLLMSteeringHandler(LLMSteeringHandler):
    """Strands' `LLMSteeringHandler` for workflows: the judge's model call is an activity, and is awaited.

    Give it to an agent: `TemporalAgent(..., plugins=[TemporalLLMSteeringHandler("...")])`. For each tool call
    the judge says proceed, guide (the call is cancelled, the model reads why) or interrupt (a person is
    asked). If the judge fails or does not decide, the run ends and the tool does not run. Strands' own
    handler would let the tool run.

    Args:
        system_prompt: The judge's instructions.
        prompt_mapper: Makes the judge's prompt. By default Strands' own.
        model: The judge: name of a model in `StrandsPlugin(models=...)`, or a `TemporalModel`. By default the
            agent's `aux_model`.
        context_providers: Providers of the judge's context. By default `[LedgerProvider()]`.

    Raises:
        AgentTypeError: If `model` is a real model.
    """

    def __init__(
        self,
        system_prompt: str,
        prompt_mapper: LLMPromptMapper | None = None,
        model: TemporalModel | str | None = None,
        context_providers: list[SteeringContextProvider] | None = None,
    ) -> None:
        judge: Model | None = None
        if model is not None:
            judge = as_durable_model("TemporalLLMSteeringHandler(model=...)", model, TemporalModel)
        super().__init__(system_prompt, prompt_mapper, judge, context_providers)

    @override
    async def steer_before_tool(
        self, *, agent: Agent, tool_use: ToolUse, **kwargs: Any
    ) -> ToolSteeringAction:
        """Ask the judge about a tool call."""
        prompt = self.prompt_mapper.create_steering_prompt(self.steering_context, tool_use=tool_use)
        judge = Agent(
            model=self.model or agent.aux_model,
            system_prompt=self.system_prompt,
            callback_handler=None,
            retry_strategy=None,
        )
        result = await judge.invoke_async(
            prompt, structured_output_model=_LLMSteering, cancel_signal=agent.cancel_signal
        )
        if result.stop_reason == "cancelled":
            return Guide(reason="The agent was cancelled.")
        decided = result.structured_output
        if not isinstance(decided, _LLMSteering):
            raise SteeringJudgeError(
                f"The judge gave no decision on the call of {tool_use['name']!r}, so the call is not made. "
                f"The judge ended with {result.stop_reason!r}: {str(result).strip()!r}"
            )
        actions = {"proceed": Proceed, "guide": Guide, "interrupt": Interrupt}
        return actions[decided.decision](reason=decided.reason)
