"""The activities of `HITLPlugin`: they tell workflows what the worker offers, and run its notifiers."""

import asyncio
from collections.abc import Mapping
from typing import Any, cast

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from strands_temporal.extension import NamedFactories, heartbeating, is_cut_short

from ._judge import (
    JUDGE_ACTIVITY,
    NO_RULING,
    UNKNOWN_JUDGE,
    Judge,
    JudgeRequest,
    Ruling,
    checked_ruling,
)
from ._notices import ApprovalNotice, NoticeDetails, Setup, Told
from ._protocol import NOTIFY_ACTIVITY, SETUP_ACTIVITY, TELL_ACTIVITY, VERIFY_ACTIVITY
from ._types import PendingApproval
from ._values import as_json, wire_fault
from ._verifying import About, Identity
from ._visibility import is_known, make_known
from ._webhook import Notifier

_KINDS = ["asked", "reminder", "escalated", "delegated", "decided"]

_GRACE = 10.0
"""Seconds for a notifier to end when its notice is no longer wanted. So the workflow knows what it did."""

_TO_MAKE = 5.0
"""Seconds for the factory of a notifier, of which a workflow wants to know whether it tells decisions."""

_MOST_TOLD = 50
_LONGEST_TOLD = 320  # characters of an address
_LONGEST_REFERENCE = 2_000


class HITLActivities:
    """The activities of one plugin. It also remembers which servers know the search attribute.

    Args:
        notifiers: The worker's notifiers.
        register: Whether to register the search attribute if it is unknown.
        identity: Verifies who decides.
        judges: The worker's judges.
    """

    def __init__(
        self,
        notifiers: NamedFactories[Notifier],
        *,
        register: bool,
        identity: Identity,
        judges: Mapping[str, Judge] | None = None,
    ) -> None:
        self.notifiers = notifiers
        self.judges = dict(judges or {})
        self.register = register
        self.identity = identity
        self._looked_up: dict[str, asyncio.Task[bool]] = {}

    @activity.defn(name=SETUP_ACTIVITY)
    async def setup(self) -> Setup:
        """Tell a workflow what this worker offers."""
        with heartbeating():
            known = await asyncio.shield(self.look_up(activity.client()))
            return Setup(known, self.notifiers.names, _KINDS, await self._tell_decisions())

    @activity.defn(name=NOTIFY_ACTIVITY)
    async def notify(self, name: str, pending: list[PendingApproval], notice_id: str) -> Told | None:
        """Run one notifier, for a run of an earlier release."""
        return await self._tell(name, pending, notice_id, NoticeDetails())

    @activity.defn(name=TELL_ACTIVITY)
    async def tell(
        self, name: str, pending: list[PendingApproval], notice_id: str, details: NoticeDetails
    ) -> Told | None:
        """Run one notifier."""
        return await self._tell(name, pending, notice_id, details)

    async def _tell(
        self, name: str, pending: list[PendingApproval], notice_id: str, details: NoticeDetails
    ) -> Told | None:
        info = activity.info()
        notice = ApprovalNotice(
            id=notice_id,
            namespace=info.namespace,
            workflow_id=info.workflow_id or "",
            run_id=info.workflow_run_id or "",
            workflow_type=info.workflow_type or "",
            pending=pending,
            **vars(details),
        )
        with heartbeating():
            notifier = await self.notifiers.get_async(name)
            return _kept(await _to_its_end(asyncio.ensure_future(notifier.notify(notice))))

    async def _tell_decisions(self) -> list[str]:
        """Return the names of the notifiers that are told of decisions. One that fails is not."""

        async def tells(name: str) -> bool:
            try:
                notifier = await asyncio.wait_for(self.notifiers.get_async(name), _TO_MAKE)
            except Exception:  # noqa: BLE001  # of the user's factory. Its first notice tells what is wrong
                return False
            return getattr(notifier, "tells_decisions", False) is True

        names = self.notifiers.names
        found = await asyncio.gather(*map(tells, names))
        return [name for name, is_told in zip(names, found, strict=True) if is_told]

    @activity.defn(name=VERIFY_ACTIVITY)
    async def verify_ticket(self, ticket: str, digest: str) -> bool:
        """Check the ticket of a decision that came by signal."""
        info = activity.info()
        return self.identity.check(ticket, About(info.namespace, info.workflow_id or "", digest))

    @activity.defn(name=JUDGE_ACTIVITY)
    async def judge(self, request: JudgeRequest) -> Ruling:
        """Ask one judge."""
        judge = self.judges.get(request.name)
        if judge is None:
            raise ApplicationError(
                f"Unknown judge {request.name!r}. Register it in HITLPlugin(judges=...). Known: "
                f"{sorted(self.judges)}",
                type=UNKNOWN_JUDGE,
                non_retryable=True,
            )
        with heartbeating():
            answer = await judge(request)
        try:
            return checked_ruling(answer)
        except (TypeError, ValueError) as error:
            raise ApplicationError(
                f"The judge {request.name!r} gave no ruling: {error}", type=NO_RULING, non_retryable=True
            ) from error

    def look_up(self, client: Client) -> "asyncio.Task[bool]":
        """Start to look up the search attribute, or return the earlier look-up for this namespace.

        A look-up that failed is started again.
        """
        key = f"{client.service_client.config.target_host}/{client.namespace}"
        task = self._looked_up.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = self._looked_up[key] = asyncio.create_task(self._look_up(client))
        return task

    async def clear(self) -> None:
        """Drop the looked-up facts and the notifiers. Called when the last worker has ended."""
        tasks, self._looked_up = list(self._looked_up.values()), {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.notifiers.clear()

    async def _look_up(self, client: Client) -> bool:
        if await is_known(client):
            return True
        return self.register and await make_known(client)


async def _to_its_end(notifying: "asyncio.Future[Any]") -> Any:
    """Wait for a notifier. If its notice is no longer wanted, let it end what it has begun."""
    try:
        return await asyncio.shield(notifying)
    except asyncio.CancelledError:
        if not is_cut_short():
            await asyncio.wait([notifying], timeout=_GRACE)
        if not notifying.done():
            notifying.cancel()
            raise
        return notifying.result()


def _kept(told: Any) -> Told | None:
    """Return what a notifier told, in a size that history can take. Earlier notifiers return nothing."""
    if not isinstance(told, Told):
        return None
    reference = told.reference
    if reference is not None and (
        not isinstance(cast("Any", reference), str)
        or len(reference) > _LONGEST_REFERENCE
        or wire_fault(reference)
    ):
        raise ApplicationError(
            f"The notifier returned a reference that cannot be kept: text of at most {_LONGEST_REFERENCE:,} "
            "characters",
            type="NotifierFailed",
            non_retryable=True,
        )
    return Told([as_json(str(each))[:_LONGEST_TOLD] for each in told.to[:_MOST_TOLD]], reference)
