"""The interceptor around every activity. Turns Strands' exceptions into typed failures."""

from typing import Any

from temporalio import activity, worker
from temporalio.client import Client

from .._wire.failure_sizes import is_sendable, shortened
from .._wire.failures import in_place_of, to_application_error
from .._wire.model_call import RESULT_TOO_LARGE
from .._wire.tool_call import HOOK_HEADER
from .client import remember_client
from .results import check_result


class TypedErrorsInterceptor(worker.ActivityInboundInterceptor):
    """Turns an exception that Strands raises in an activity (an interrupt, an overflow) into a typed failure.

    If the result of a hook's activity is too large, it also refuses that result. Otherwise the server would
    lose the result and run the activity again.
    """

    def __init__(self, next: worker.ActivityInboundInterceptor, client: Client | None) -> None:
        super().__init__(next)
        self._client = client

    async def execute_activity(self, input: worker.ExecuteActivityInput) -> Any:
        remember_client(self._client)
        try:
            result = await self.next.execute_activity(input)
            if HOOK_HEADER in input.headers:
                what = f"The result of activity {activity.info().activity_type!r}"
                await check_result(what, result, RESULT_TOO_LARGE, "Make it return less")
        except Exception as error:
            failure = to_application_error(error)
            if failure is None and is_sendable(error):
                raise
            raise in_place_of(error, failure or shortened(error))  # noqa: B904  # it sets the cause itself
        else:
            return result
