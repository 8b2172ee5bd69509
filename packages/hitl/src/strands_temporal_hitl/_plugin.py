"""`HITLPlugin`: human approval for durable Strands agents, on a Client or Worker."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from temporalio.worker import Worker

from strands_temporal.extension import ComposablePlugin, NamedFactories

from ._activities import HITLActivities
from ._judge import Judge, checked_judges
from ._tickets import Secrets
from ._verifying import REFRESH_SECONDS, Identity, IdentityInterceptor, VerifierLike
from ._webhook import Notifier, NotifierFactory


class HITLPlugin(ComposablePlugin):
    """Let clients find the workflows that wait for people, and tell people about each pause.

    Put it beside `strands_temporal.StrandsPlugin`. `Approvals` work without it: clients can decide, and list
    workflows by type. With it, workflows that wait for a person carry the search attribute
    `StrandsApprovals`, by which `ApprovalsClient` lists them all. Notifiers tell people of each pause. The
    worker looks up the attribute when it starts. If the server neither knows it nor lets it be registered,
    workflows do not set it.

    With `verify` the worker finds out who decides, from a credential that the client presents. History never
    has the credential. See docs/who-decides.md.

    Args:
        notifiers: Factories of notifiers by name, each called when its notifier is first used:
            `{"ops": lambda: WebhookNotifier("https://...")}`. Each notifier is told of each pause.
        register: Whether to register the search attribute with the server, as a Keyword, if it is unknown.
        verify: Turns a credential into a person: a `Verifier` of `strands_temporal_hitl.identity`, a function
            from a `Credential` to a `Person`, or a list of them, of which the first that accepts a credential
            counts. It is called inside of queries, so it has to be quick, and may do no I/O. With None,
            nobody is verified, and decisions with a proof are refused.
        ticket_keys: Secrets of at least 32 bytes, the same on all workers of a task queue. They sign what
            proves, for a minute, that a worker verified who decides. The first one signs; all are accepted,
            so that they can be changed one after the other.
        refresh_seconds: How often the verifiers' keys are read again, in seconds.
        judges: Judges by name, for the key `judge` of approval policies: a `ModelJudge`, or an async function
            that takes a `JudgeRequest` and returns a `Ruling`.

    Raises:
        TypeError: If `notifiers` or `judges` is not a mapping of names to functions, or a verifier is none.
        ValueError: If a name in it is empty, a key is too short, or only one of `verify` and `ticket_keys` is
            given.
    """

    def __init__(
        self,
        *,
        notifiers: Mapping[str, NotifierFactory] | None = None,
        register: bool = True,
        verify: VerifierLike | Sequence[VerifierLike] | None = None,
        ticket_keys: Sequence[str | bytes] | None = None,
        refresh_seconds: float = REFRESH_SECONDS,
        judges: Mapping[str, Judge] | None = None,
    ) -> None:
        factories = NamedFactories[Notifier](
            "notifier",
            "HITLPlugin(notifiers=...)",
            notifiers,
            Notifier,  # pyright: ignore[reportArgumentType]  # a protocol, used for isinstance only
            "NotifierFactoryFailed",
            "WebhookNotifier(...)",
        )
        checked = checked_judges(judges)
        self._identity = Identity(verify, ticket_keys, refresh_seconds)
        self._hitl = HITLActivities(factories, register=register, identity=self._identity, judges=checked)
        super().__init__(
            "strands_temporal_hitl.HITLPlugin",
            activities=[
                self._hitl.setup,
                self._hitl.notify,
                self._hitl.tell,
                self._hitl.verify_ticket,
                self._hitl.judge,
            ],
            configuration={
                "notifiers": factories.factories,
                "register": register,
                "verify": verify,
                "ticket_keys": Secrets(ticket_keys or ()),
                "refresh_seconds": refresh_seconds,
                "judges": checked,
            },
            interceptors=[IdentityInterceptor(self._identity)],
            passthrough_modules=("strands_temporal_hitl",),
        )

    async def run_worker(self, worker: Worker, next: Callable[[Worker], Awaitable[None]]) -> None:
        """See base class. Also starts to look up the search attribute; the worker does not wait for that."""

        async def look_up_and_run(worker: Worker) -> None:
            self._hitl.look_up(worker.client)
            await next(worker)

        await super().run_worker(worker, look_up_and_run)

    async def open(self) -> None:
        """See base class. Begins to read the keys of verifiers; the worker does not wait for that."""
        self._identity.start()

    async def close(self) -> None:
        """See base class. Stops looking up the search attribute, and drops the results and the notifiers."""
        await self._identity.stop()
        await self._hitl.clear()
