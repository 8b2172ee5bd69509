"""Deadlines, reminders and calendars, without a server."""

from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from typing import Any, cast

import pytest
from packages.hitl.tests.approvals_support import asked_by
from packages.hitl.tests.people_ledger import proof_of
from strands.interrupt import Interrupt

from strands_temporal import AgentTypeError, AgentValueError
from strands_temporal_hitl import ApprovalPolicy, Deciders, business_hours
from strands_temporal_hitl._carry import WITH_PEOPLE, pack, unpack
from strands_temporal_hitl._in_force import PolicyInForce
from strands_temporal_hitl._ledger import Ledger
from strands_temporal_hitl._notices import Told
from strands_temporal_hitl._state import Delegation, LedgerState, Pause, Telling
from strands_temporal_hitl._telling import NextNotice, next_notice, note_told
from strands_temporal_hitl._times import MOST_REMINDERS, QuestionTimes
from strands_temporal_hitl._times_given import given_times

NOW = datetime(2026, 3, 27, 14, 0, tzinfo=timezone.utc)  # a Friday; summer time begins on Sunday
BERLIN = business_hours("Europe/Berlin", holidays=["2026-04-03", date(2026, 4, 6)])


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        ("2026-03-27T14:00+00:00", 1, "2026-03-27T15:00+00:00"),
        ("2026-03-27T15:00+00:00", 1, "2026-03-27T16:00+00:00"),  # until 17:00, its end
        ("2026-03-27T15:00+00:00", 4, "2026-03-30T10:00+00:00"),  # over a weekend with a change of time
        ("2026-03-28T03:00+00:00", 1, "2026-03-30T08:00+00:00"),
        ("2026-04-02T13:00+02:00", 5, "2026-04-07T08:00+00:00"),  # over Easter
        ("2026-10-23T12:00+00:00", 8, "2026-10-26T13:00+00:00"),
    ],
)
def test_business_hours_pass_on_working_days(start: str, hours: int, end: str) -> None:
    assert BERLIN(datetime.fromisoformat(start), timedelta(hours=hours)) == datetime.fromisoformat(end)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"zone": "Europe/Berlni"}, "no time zone that this machine knows"),
        ({"zone": "UTC", "hours": (17, 9)}, "end before they begin"),
        ({"zone": "UTC", "days": []}, "no time would ever pass"),
        ({"zone": "UTC", "days": ["someday"]}, "days= has 'someday'"),
        ({"zone": "UTC", "holidays": ["tomorrow"]}, "Write '2026-12-25'"),
        ({"zone": "UTC", "hours": ("9", 17)}, "neither an hour"),
    ],
)
def test_bad_business_hours_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises((AgentValueError, AgentTypeError), match=words):
        business_hours(**options)


def given(**changes: Any) -> QuestionTimes:
    nothing: dict[str, Any] = {"deadline": None, "at_deadline": "deny", "remind": None, "escalate_to": None}
    more = {"escalation_deadline": None, "calendars": None, "calendar": None}
    return given_times(**cast("Any", {**nothing, **more, **changes}))


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"at_deadline": "aprove", "deadline": HOUR}, "Did you mean 'approve'"),
        ({"at_deadline": "approve"}, "needs deadline="),
        ({"at_deadline": "escalate", "deadline": HOUR}, "go together"),
        ({"escalate_to": {"groups": ["a"]}, "deadline": HOUR}, "go together"),
        (
            {"at_deadline": "escalate", "deadline": HOUR, "escalate_to": {"group": ["a"]}},
            "Did you mean 'groups'",
        ),
        ({"at_deadline": "escalate", "deadline": HOUR, "escalate_to": {}}, "who decides"),
        ({"escalation_deadline": HOUR}, "belongs to at_deadline='escalate'"),
        ({"remind": "daily"}, "neither a timedelta"),
        ({"remind": [HOUR, 3]}, "not a timedelta"),
        ({"remind": [-HOUR]}, "not positive"),
        ({"remind": [HOUR] * 21}, "may have 20"),
        ({"calendar": "offise", "calendars": {"office": BERLIN}}, "Did you mean 'office'"),
        ({"calendars": {"office": "9 to 5"}}, "business_hours"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises((AgentValueError, AgentTypeError), match=words):
        given(**options)


def test_a_calendar_has_to_return_a_later_time_with_a_zone() -> None:
    for wrong, words in ((NOW.replace(tzinfo=None), "with a time zone"), (at(-1), "is before")):

        def calendar(*_: Any, wrong: datetime = wrong) -> datetime:
            return wrong

        times = given(deadline=HOUR, calendars={"c": calendar}, calendar="c")
        with pytest.raises((AgentTypeError, AgentValueError), match=words):
            times.begin(times.settings, NOW)


# --- The ledger


def asking(times: QuestionTimes, *ids: str, policy: Any = None, **options: Any) -> tuple[Ledger, Pause]:
    in_force = PolicyInForce(ApprovalPolicy.from_json(policy) if policy else None, LedgerState().policy)
    ledger = Ledger(True, False, policy=in_force)
    ledger.times = times
    uses = [(Interrupt(id_, "gate"), {"toolUseId": id_, "name": id_[0], "input": {}}) for id_ in ids]
    pause = ledger.ask("agent", [(i, asked_by(use)) for i, use in uses], now=NOW, **options)
    return ledger, pause


def outcomes(ledger: Ledger) -> list[tuple[str, str]]:
    return [(record.id, record.outcome) for record in ledger.records]


def passing(ledger: Ledger, pause: Pause) -> float | None:
    """Let the next thing happen; return when."""
    due = ledger.next_due(pause)
    if due is None:
        return None
    ledger.pass_time(pause, due.at, due.at)
    return (due.at - NOW).total_seconds()


RULES: dict[str, Any] = {
    "version": "v1",
    "rules": [
        {"name": "b", "tools": ["b"], "then": "ask", "time": {"deadline_seconds": 60}},
        {
            "name": "c",
            "tools": ["c"],
            "then": "ask",
            "time": {"deadline_seconds": 90, "at_deadline": "approve", "remind_seconds": [30]},
        },
    ],
}


def test_each_question_of_a_pause_has_its_own_deadline() -> None:
    ledger, pause = asking(given(deadline=HOUR, remind=HOUR / 2), "a", "b", "c", policy=RULES)
    assert [passing(ledger, pause) for _ in range(3)] == [30, 60, 90]
    assert outcomes(ledger) == [("b", "expired"), ("c", "expired_approved")]
    assert [each.id for each in ledger.still_open(pause)] == ["a"]
    assert [passing(ledger, pause) for _ in range(3)] == [1800, 3600, None]
    assert ledger.records[-1].reason == "Nobody decided in time"
    answers = [record.response for _, record in ledger.settle(pause)]
    assert answers == [False, False, True]


def test_a_run_whose_code_had_no_such_settings_keeps_its_deadline() -> None:
    ledger, pause = asking(given(deadline=HOUR, at_deadline="approve", remind=HOUR / 4), "a", is_plain=True)
    assert [passing(ledger, pause), outcomes(ledger)] == [3600, [("a", "expired")]]
    assert pause.questions[0].waiting is None


def test_an_escalated_question_has_new_deciders_a_new_deadline_and_reminders_and_is_denied_then() -> None:
    times = given(
        deadline=HOUR,
        at_deadline="escalate",
        escalate_to={"groups": ["managers"], "people": ["mia"]},
        escalation_deadline=2 * HOUR,
        remind=[HOUR / 2, HOUR],
    )
    ledger, pause = asking(times, "a")
    assert [passing(ledger, pause) for _ in range(2)] == [1800, 3600]
    (pending,) = ledger.pending
    assert pending.deciders == Deciders(["managers"], ["mia"]).to_json()
    assert pending.deadline == at(3 * 3600).isoformat()
    assert ledger.records[-1].to == {"group": "managers", "person": "mia"}
    assert ledger.answer_to("a") is None
    carry = pack(ledger.state, {}, [])
    assert carry.version == WITH_PEOPLE
    ledger = Ledger(True, False, unpack(carry).state)  # another run goes on with the remaining times
    ledger.times = times
    pause = ledger.state.pauses[0]
    assert [passing(ledger, pause) for _ in range(4)] == [5400, 7200, 10800, None]
    assert outcomes(ledger) == [("a", "escalated"), ("a", "expired")]
    assert ledger.records[-1].reason == "Nobody decided in time, also not after it went to managers or mia"


@pytest.mark.parametrize(
    ("quorum", "outcomes_then"), [(2, ["voted", "escalated"]), (1, ["voted", "escalated", "approved"])]
)
def test_votes_of_people_who_may_still_decide_stay_at_an_escalation(
    quorum: int, outcomes_then: list[str]
) -> None:
    rule = {
        "name": "a",
        "tools": ["a"],
        "then": "ask",
        "deciders": {"groups": ["ops", "managers"], "quorum": 2},
        "time": {
            "deadline_seconds": 60,
            "at_deadline": "escalate",
            "escalate_to": {"groups": ["managers"], "quorum": quorum},
        },
    }
    ledger, pause = asking(given(), "a", policy={"version": "v1", "rules": [rule]})
    (pending,) = ledger.pending
    proof = proof_of("mia", "managers")
    decision = {"id": "a", "verdict": "approve", "proof": proof, "digest": pending.digest}
    ledger.decide(decision, at(1), None)
    assert passing(ledger, pause) == 60
    assert [record.outcome for record in ledger.records] == outcomes_then
    if quorum == 2:
        assert [each.by for each in ledger.pending[0].votes] == ["mia"]
        assert passing(ledger, pause) == 120
        assert ledger.records[-1].outcome == "expired"


def test_at_the_deadline_of_one_question_the_run_fails_and_the_others_are_withdrawn() -> None:
    rules = {
        **RULES,
        "rules": [{**RULES["rules"][0], "time": {"deadline_seconds": 60, "at_deadline": "fail"}}],
    }
    ledger, pause = asking(given(), "a", "b", policy=rules)
    assert ledger.failed(pause) is None
    assert passing(ledger, pause) == 60
    assert outcomes(ledger) == [("b", "expired_failed"), ("a", "withdrawn")]
    failed = ledger.failed(pause)
    assert getattr(failed, "id", None) == "b"


def test_reminders_repeat_up_to_their_bound_and_late_ones_are_not_made_up_for() -> None:
    ledger, pause = asking(given(remind=HOUR), "a")
    assert passing(ledger, pause) == 3600
    ledger.pass_time(pause, at(10 * 3600), at(10 * 3600))  # no worker ran for hours
    due = ledger.next_due(pause)
    assert getattr(due, "at", None) == at(11 * 3600)
    count = 2
    while passing(ledger, pause) is not None:
        count += 1
    assert count == MOST_REMINDERS


def test_time_is_counted_in_the_calendar() -> None:
    times = given(deadline=4 * HOUR, remind=[HOUR, 9 * HOUR], calendars={"office": BERLIN}, calendar="office")
    ledger, pause = asking(times, "a")
    assert ledger.pending[0].deadline == "2026-03-30T09:00:00+00:00"
    assert [passing(ledger, pause) for _ in range(3)] == [3600, 241200, None]


def test_a_policy_with_an_unknown_calendar_is_refused() -> None:
    rules = {**RULES, "rules": [{**RULES["rules"][0], "time": {"calendar": "office"}}]}
    with pytest.raises(AgentValueError, match=r"the rule 'b' of the policy .* 'office' is unknown"):
        PolicyInForce(ApprovalPolicy.from_json(rules), LedgerState().policy, times=given())


@pytest.mark.parametrize(
    ("time", "words"),
    [
        ({"deadline": 60}, "time.deadline: is unknown"),
        ({"deadline_seconds": 0}, "time.deadline_seconds: 0 is not a number of seconds"),
        ({"deadline_seconds": None}, "null is not a number"),
        ({"remind_seconds": [60, "2h"]}, r"remind_seconds\[1\]: '2h'"),
        ({"remind_seconds": 60}, "is not a list"),
        ({"remind_seconds": [60], "remind_every_seconds": 60}, "Give one of them"),
        ({"at_deadline": "approve"}, "deadline_seconds: is missing"),
        ({"deadline_seconds": 60, "at_deadline": "allow"}, "time.at_deadline: 'allow' is unknown"),
        ({"deadline_seconds": 60, "at_deadline": "escalate"}, "who decides after the deadline"),
        ({"deadline_seconds": 60, "escalate_to": {"groups": ["a"]}}, "belongs to at_deadline 'escalate'"),
        ({"deadline_seconds": 60, "at_deadline": "escalate", "escalate_to": {}}, "says who decides"),
        ({"calendar": " "}, "time.calendar: is empty"),
    ],
)
def test_a_rule_with_wrong_times_is_refused(time: dict[str, Any], words: str) -> None:
    rule = {"name": "a", "tools": ["a"], "then": "ask", "time": time}
    with pytest.raises(AgentValueError, match=f"rules.0..*{words}"):
        ApprovalPolicy(version="v1", rules=[rule])
    with pytest.raises(AgentValueError, match=r"rules\[0\].time: is for questions"):
        ApprovalPolicy(version="v1", rules=[{**rule, "then": "approve", "time": {}}])


# --- What notifiers are told


def test_a_notifier_is_told_what_it_does_not_know_yet_and_nothing_twice() -> None:
    times = given(deadline=2 * HOUR, remind=HOUR / 2, at_deadline="escalate", escalate_to={"groups": ["m"]})
    ledger, pause = asking(times, "a", "b")
    telling = Telling(tells=True)

    def following() -> NextNotice | None:
        return next_notice(pause, telling, ledger.answer_to)

    def told(kind: str, *ids: str, reference: str | None = None, delivered: bool = True) -> NextNotice:
        notice = following()
        assert notice is not None
        assert (notice.kind, [each.pending.id for each in notice.questions]) == (kind, list(ids))
        note_told(telling, notice, Told(reference=reference) if delivered else None, delivered=delivered)
        return notice

    told("asked", "a", "b", reference="ts")
    assert following() is None
    passing(ledger, pause)
    first = told("reminder", "a", "b")
    passing(ledger, pause)
    passing(ledger, pause)
    second = told("reminder", "a", "b")  # it was away for one
    assert (first.number, second.number) == (1, 3)
    ledger.decide({"id": "a", "verdict": "approve", "by": "ana"}, at(7000), None)
    assert next_notice(pause, replace(telling, tells=False), ledger.answer_to) is None
    assert [each.by for each in told("decided", "a").records] == ["ana"]
    passing(ledger, pause)
    passing(ledger, pause)
    handed = replace(pause.questions[1], delegations=[Delegation("mia", person="max")])
    ledger.put(handed)
    told("escalated", "b", delivered=False)  # in vain: the next reminder is another chance
    assert following() is None
    assert telling.reference == "ts"
    ledger.put(replace(handed, delegations=[*handed.delegations, Delegation("max", group="board")]))
    told("delegated", "b")
    assert following() is None


def test_a_notifier_that_never_heard_of_a_question_is_not_told_of_its_decision() -> None:
    ledger, pause = asking(given(), "a")
    telling = Telling(tells=True)
    notice = next_notice(pause, telling, ledger.answer_to)
    assert notice is not None
    note_told(telling, notice, None, delivered=False)
    ledger.decide({"id": "a", "verdict": "approve", "by": "ana"}, at(1), None)
    assert next_notice(pause, telling, ledger.answer_to) is None
