"""The policy of one workflow as it is now: the policy, and what people trust. Times are arguments."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from math import inf
from typing import Any

from strands_temporal import AgentTypeError, AgentValueError

from ._calendars import unknown_calendar
from ._deciders import Deciders, strictest
from ._policy import ApprovalPolicy, Judgement
from ._policy_judge import JudgeRule
from ._policy_types import POLICY_QUESTION, PolicyView
from ._state import PolicyState, Question
from ._times import QuestionTimes
from ._trusted import MOST_TRUSTED, TrustedCalls, trusting, withdrawn
from ._types import ApprovalRecord, ShownCall
from ._voting import may_trust

HOOK = "hook"
"""Layer of the record of a call that a hook cancelled, for example of a steering plugin."""

INTERVENTION = "intervention"
"""Layer of the record of a call that an intervention handler stopped, for example Cedar's. The rule is the
handler's name."""

HUMAN_IN_THE_LOOP = "strands:human-in-the-loop"
"""Name of the questions of Strands' `HumanInTheLoop`, which asks only whether a call may run."""


_ASKS = ("ask", "judge")
"""Answers after which people may decide."""


class PolicyInForce:
    """Judges calls by the policy as it is now.

    Args:
        given: The policy in the code; None judges nothing.
        state: What people changed, in this run and in earlier ones.
        deciders: Who decides where the policy names nobody; None for anybody.
        times: The times of the workflow's questions; None does not check the calendars that a policy names.

    Raises:
        AgentTypeError: If `given` is no `ApprovalPolicy`.
        AgentValueError: If there is no policy, but people changed the one of an earlier run; or if it names
            an unknown calendar.
    """

    def __init__(
        self,
        given: ApprovalPolicy | None,
        state: PolicyState,
        deciders: Deciders | None = None,
        times: QuestionTimes | None = None,
    ) -> None:
        if given is not None and not isinstance(given, ApprovalPolicy):  # pyright: ignore[reportUnnecessaryIsInstance]  # users
            raise AgentTypeError(
                f"Approvals: policy={given!r} is not an ApprovalPolicy. Write ApprovalPolicy.from_json(...)"
            )
        if given is None and state.changed is not None:
            raise AgentValueError(
                "Approvals: the carry has a policy that was changed in an earlier run (version "
                f"{state.changed.get('version')!r}), and policy= is not given. Give the earlier run's policy"
            )
        self.safe_counts: Callable[[], bool] = lambda: True
        """Called if it makes a difference that a tool is declared safe. False in a replay without that."""
        self._state = state
        self._deciders = deciders
        self._policy = ApprovalPolicy.from_json(state.changed) if state.changed is not None else given
        self._times = times
        if self._policy is not None:
            self.check_calendars(self._policy)

    @property
    def policy(self) -> ApprovalPolicy | None:
        """The policy; None if the workflow has none."""
        return self._policy

    @property
    def version(self) -> str | None:
        """Its version."""
        return self._policy.version if self._policy else None

    @property
    def view(self) -> PolicyView:
        """The policy as a query returns it."""
        if self._policy is None:
            return PolicyView()
        return PolicyView(self._policy.data, self.version, self._policy.digest, list(self._state.trusted))

    @property
    def judge_rule(self) -> JudgeRule | None:
        """The policy's judge, if it has one."""
        return self._policy.judge_rule if self._policy else None

    @property
    def restricts(self) -> bool:
        """Whether any question names who may decide it. Then all decisions need a proof."""
        return bool(self._all_deciders)

    @property
    def four_eyes(self) -> bool:
        """Whether anywhere those who asked may not decide, also after a deadline."""
        return any(each.four_eyes for each in [*self._all_deciders, *self._escalations])

    @property
    def _all_deciders(self) -> list[Deciders]:
        given = [] if self._deciders is None else [self._deciders]
        return given if self._policy is None else [*given, *self._policy.all_deciders]

    @property
    def _escalations(self) -> list[Deciders]:
        """Those who may decide after a deadline."""
        given = [self._times.settings.escalate_to] if self._times is not None else []
        rules = self._policy.data["rules"] if self._policy is not None else []
        given += [rule.get("time", {}).get("escalate_to") for rule in rules]
        return [Deciders(**each) for each in given if each is not None]

    def check_calendars(self, policy: ApprovalPolicy) -> None:
        """Check that the workflow has the calendars that a policy names.

        Raises:
            AgentValueError: If it does not.
        """
        if self._times is None:
            return
        for rule in policy.data["rules"]:
            name = rule.get("time", {}).get("calendar")
            if name is not None and name not in self._times.names:
                where = f"the rule {rule['name']!r} of the policy (version {policy.version!r}): calendar"
                raise unknown_calendar(where, name, self._times.names)

    def judge(
        self, call: ShownCall, now: datetime, own: Sequence[str] = (), *, declared_safe: bool = False
    ) -> Judgement | None:
        """Return the answer for a call; None without a policy.

        A person's trust counts only for the calls that the person may decide alone.

        Args:
            call: The call.
            now: The time.
            own: Who asked for it.
            declared_safe: Whether the call's tool is declared safe in code.
        """
        if self._policy is None:
            return None
        found = self._answer(self._policy, call, now, own, declared_safe=False)
        if found.outcome == "approve" or not declared_safe:
            return found
        safe = self._answer(self._policy, call, now, own, declared_safe=True)
        return safe if safe != found and self.safe_counts() else found

    def _answer(
        self, of: ApprovalPolicy, call: ShownCall, now: datetime, own: Sequence[str], *, declared_safe: bool
    ) -> Judgement:
        def judged_with(trusted: Sequence[TrustedCalls]) -> Judgement:
            return of.judge(call.tool, call.arguments, trusted=trusted, now=now, declared_safe=declared_safe)

        found = judged_with(self._state.trusted)
        if found.layer != "trust":
            return found
        plain = judged_with(())
        deciders = self._named(plain)
        if plain.outcome not in _ASKS or deciders is None:
            return found
        return judged_with([each for each in self._state.trusted if may_trust(deciders, each, own)])

    def judges(self, question: Question, now: datetime) -> ShownCall | None:
        """Return the call that a question is about, if the judge is to be asked about it.

        It must ask only whether the call may run.
        """
        calls = calls_of(question, None)
        if question.pending.calls or len(calls) != 1 or not is_plain_question(question.pending.name):
            return None
        found = self.judge(calls[0], now, question.own, declared_safe=question.declared_safe)
        return calls[0] if found is not None and found.outcome == "judge" else None

    def deciders_of(self, calls: Sequence[ShownCall], now: datetime) -> tuple[Deciders | None, bool]:
        """Return who may decide these calls together, and whether anybody may approve them."""
        if not calls:
            return (self._policy and self._policy.deciders) or self._deciders, True
        return strictest([self._named(self._plain(call, now)) for call in calls])

    def _plain(self, call: ShownCall, now: datetime) -> Judgement | None:
        return None if self._policy is None else self._policy.judge(call.tool, call.arguments, now=now)

    def _named(self, found: Judgement | None) -> Deciders | None:
        return (found and found.deciders) or (self._policy and self._policy.deciders) or self._deciders

    def denial(self, question: Question, edited: dict[str, Any] | None, now: datetime) -> Judgement | None:
        """Return the denial of a call that a question is about; None if the policy denies none.

        Args:
            question: The question.
            edited: The arguments that a person wrote, if the decision is an edit.
            now: The time.
        """
        for call in calls_of(question, edited):
            found = self.judge(call, now, question.own)
            if found is not None and found.outcome == "deny":
                return found
        return None

    def answer(self, question: Question, now: datetime) -> Judgement | None:
        """Return the policy's answer to a question; None if people have to decide it.

        It denies what it denies, whoever asks. It approves a call only for those who ask nothing else.
        """
        if denial := self.denial(question, None, now):
            return denial
        calls, name = calls_of(question, None), question.pending.name
        if question.pending.calls or len(calls) != 1 or not is_plain_question(name):
            return None
        found = self.judge(calls[0], now, question.own, declared_safe=question.declared_safe)
        return found if found is not None and found.outcome == "approve" else None

    def time_of(self, question: Question, now: datetime) -> dict[str, Any] | None:
        """Return what the policy says about the time of a question; None if it says nothing.

        If a question is about several calls, the rule with the shortest deadline counts.
        """
        found = [self._plain(call, now) for call in calls_of(question, None)]
        times = [each.time for each in found if each is not None and each.outcome in _ASKS and each.time]
        return min(times, key=lambda each: each.get("deadline_seconds", inf), default=None)

    def replace(self, policy: ApprovalPolicy) -> None:
        """Take another policy."""
        self._policy = policy
        self._state.changed = policy.data
        self._state.changes += 1

    def has_room(self, tool: str, digest: str | None, now: datetime) -> bool:
        """Tell whether one more entry of trust may be kept."""
        return len(trusting(self._state.trusted, TrustedCalls(tool, digest), now)) <= MOST_TRUSTED

    def trust(self, calls: TrustedCalls, now: datetime) -> None:
        """Trust calls from now on."""
        self._state.trusted = trusting(self._state.trusted, calls, now)
        self._state.changes += 1

    def would_withdraw(self, tool: str | None, digest: str | None) -> bool:
        """Tell whether there is trust to withdraw."""
        return len(withdrawn(self._state.trusted, tool, digest)) < len(self._state.trusted)

    def withdraw(self, tool: str | None, digest: str | None) -> None:
        """Trust these calls no more."""
        self._state.trusted = withdrawn(self._state.trusted, tool, digest)
        self._state.changes += 1

    @property
    def changes(self) -> int:
        """How many changes there were, in all runs."""
        return self._state.changes


def is_plain_question(name: str) -> bool:
    """Tell whether a question asks only whether its call may run: a policy's own, or `HumanInTheLoop`'s."""
    return name == HUMAN_IN_THE_LOOP or name.startswith(POLICY_QUESTION)


def until(now: datetime, seconds: float | None) -> str | None:
    """Return when trust ends that lasts so long."""
    return None if seconds is None else (now + timedelta(seconds=seconds)).isoformat()


def judged(found: Judgement, version: str | None) -> dict[str, Any]:
    """Return the fields of a record that tell a policy's answer."""
    return {
        "by": found.by,
        "reason": found.reason or None,
        "layer": found.layer,
        "rule": found.rule or None,
        "policy_version": version,
    }


def by_policy(record: ApprovalRecord) -> bool:
    """Tell whether the policy or a guard of Strands answered, and no person."""
    return record.layer not in ("", "people")


def calls_of(question: Question, edited: dict[str, Any] | None = None) -> list[ShownCall]:
    """Return the calls that a question is about, perhaps with the arguments that a person wrote."""
    pending = question.pending
    if pending.calls or pending.tool is None:
        return pending.calls
    return [ShownCall(pending.tool, pending.arguments if edited is None else edited)]
