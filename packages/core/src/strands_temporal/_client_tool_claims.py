"""When a client tries to claim a call that another client holds."""

import time
from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime, timezone

from ._wire.client_tools import ClientCall


@dataclass
class _Held:
    until: str
    since: float  # time.monotonic() when it was first seen, or tried last
    is_tried: bool = False


class OthersClaims:
    """The claims of other clients on open calls.

    The workflow decides whether a claim has lapsed, and the clock of this machine may be wrong by hours. So a
    claim is tried when its time seems over, and again after each `pause`, whatever the clock says.

    Args:
        pause: Seconds between two tries for one claim.
    """

    def __init__(self, pause: float) -> None:
        self._pause = pause
        self._held: dict[str, _Held] = {}

    def may_have_lapsed(self, call: ClientCall) -> bool:
        """Tell whether to try the call now. If so, it counts as tried."""
        until = str(call.claimed_until)
        held = self._held.get(call.id)
        if held is None or held.until != until:  # renewed, or another client's
            held = self._held[call.id] = _Held(until, time.monotonic())
        seems_over = datetime.now(timezone.utc) >= datetime.fromisoformat(until)
        is_due = seems_over and not held.is_tried
        if not is_due and time.monotonic() - held.since < self._pause:
            return False
        held.since, held.is_tried = time.monotonic(), True
        return True

    def keep_only(self, open_ids: Set[str]) -> None:
        """Forget the calls that have ended."""
        for ended in self._held.keys() - open_ids:
            del self._held[ended]
