"""`HITLPlugin`: human approval for durable Strands agents, on a Client or Worker."""

from collections.abc import Awaitable, Callable, Mapping

from temporalio.worker import Worker

from strands_temporal.extension import ComposablePlugin, NamedFactories

from ._activities import HITLActivities
from ._webhook import Notifier, NotifierFactory


class HITLPlugin(ComposablePlugin):
    """Let clients find the workflows that wait for people, and tell people about each pause.

    Put it beside `strands_temporal.StrandsPlugin`. `Approvals` work without it: clients can decide, and list
    workflows by type. With it, workflows that wait for a person carry the search attribute
    `StrandsApprovals`, by which `ApprovalsClient` lists them all. Notifiers tell people of each pause. The
    worker looks up the attribute when it starts. If the server neither knows it nor lets it be registered,
    workflows do not set it.

    Args:
        notifiers: Factories of notifiers by name, each called when its notifier is first used:
            `{"ops": lambda: WebhookNotifier("https://...")}`. Each notifier is told of each pause.
        register: Whether to register the search attribute with the server, as a Keyword, if it is unknown.

    Raises:
        TypeError: If `notifiers` is not a mapping of names to functions.
        ValueError: If a name in it is empty.
    """

    def __init__(
        self, *, notifiers: Mapping[str, NotifierFactory] | None = None, register: bool = True
    ) -> None:
        factories = NamedFactories[Notifier](
            "notifier",
            "HITLPlugin(notifiers=...)",
            notifiers,
            Notifier,  # pyright: ignore[reportArgumentType]  # a protocol, used for isinstance only
            "NotifierFactoryFailed",
            "WebhookNotifier(...)",
        )
        self._hitl = HITLActivities(factories, register=register)
        super().__init__(
            "strands_temporal_hitl.HITLPlugin",
            activities=[self._hitl.setup, self._hitl.notify],
            configuration={"notifiers": factories.factories, "register": register},
            passthrough_modules=("strands_temporal_hitl",),
        )

    async def run_worker(self, worker: Worker, next: Callable[[Worker], Awaitable[None]]) -> None:
        """See base class. Also starts to look up the search attribute; the worker does not wait for that."""

        async def look_up_and_run(worker: Worker) -> None:
            self._hitl.look_up(worker.client)
            await next(worker)

        await super().run_worker(worker, look_up_and_run)

    async def close(self) -> None:
        """See base class. Stops looking up the search attribute, and drops the results and the notifiers."""
        await self._hitl.clear()
