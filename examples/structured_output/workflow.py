"""An agent that answers with an object of a Pydantic class."""

from datetime import timedelta

from pydantic import BaseModel, Field
from temporalio import workflow

from strands_temporal import TemporalAgent

TASK_QUEUE = "strands-structured-output"
MODEL = "chosen"


class Trip(BaseModel):
    """A trip that somebody plans."""

    city: str = Field(description="Where it goes to")
    days: int = Field(description="How many days it lasts")
    month: str = Field(description="The month it begins in")


@workflow.defn
class StructuredOutputWorkflow:
    """Reads a trip out of a text."""

    def __init__(self) -> None:
        self.agent = TemporalAgent(
            model=MODEL,
            structured_output_model=Trip,
            start_to_close_timeout=timedelta(seconds=60),
            callback_handler=None,
        )

    @workflow.run
    async def run(self, text: str) -> Trip:
        """Return the trip. Without one in the answer, Strands raises a `StructuredOutputException`."""
        result = await self.agent.invoke_async(text)
        return Trip.model_validate(result.structured_output)  # already a Trip, but typed as less
