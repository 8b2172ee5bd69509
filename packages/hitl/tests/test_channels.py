"""Mail, Slack and Teams: what they get, against real servers of their protocols; hostile words are text."""

import json
import re
import smtplib
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from packages.hitl.tests.channel_support import (
    HOSTILE,
    Inbox,
    certificate,
    hostile,
    notice,
    recording,
    smtp_server,
)
from slack_sdk.models.blocks import Block
from temporalio.exceptions import ApplicationError

from strands_temporal_hitl import ApprovalNotice, ApprovalRecord, DecisionLinks, PendingApproval
from strands_temporal_hitl._slack import MOST_BLOCKS
from strands_temporal_hitl._teams import LARGEST_MESSAGE
from strands_temporal_hitl.channels import EmailNotifier, SlackNotifier, TeamsNotifier

LINKS = DecisionLinks("https://desk.example/in", "k" * 32)
KINDS = ("asked", "reminder", "escalated", "delegated", "decided")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def invisible(text: str, *, lines: bool = False) -> list[str]:
    """Return the characters of a text that a reader does not see."""
    allowed = "\n" if lines else ""
    return [each for each in text if not each.isprintable() and each not in allowed]


# --- Mail


def mailer(port: int, **options: Any) -> EmailNotifier:
    sender = "Approvals <approvals@desk.example>"
    given: dict[str, Any] = {"sender": sender, "to": ["ana@desk.example"], "tls": "none", **options}
    return EmailNotifier("127.0.0.1", port, **given)


async def test_each_person_gets_a_mail_with_links_of_their_own_and_a_thread_per_pause() -> None:
    inbox, to = Inbox(), ["ana@desk.example", "bo@desk.example"]
    with smtp_server(inbox) as port:

        def recipients(_: ApprovalNotice) -> list[str]:
            return to

        mails = mailer(port, to=recipients, links=LINKS)
        told = await mails.notify(notice())
        assert told.to == to
        again = await mails.notify(notice())  # another attempt: everybody has the mail already
        assert (again, len(inbox.mails)) == (told, 2)
        reminder = notice(id="n-2", kind="reminder", number=2, reference=told.reference)
        assert (await mails.notify(reminder)).reference == told.reference
    (first, _, reminded, _) = (mail for _, mail in inbox.mails)
    assert [rcpt for rcpt, _ in inbox.mails] == [[each] for each in [*to, *to]]
    assert first["Subject"] == "Approval needed: refund (order-7)"
    assert reminded["Subject"] == "Reminder 2: refund still waits for approval (order-7)"
    assert reminded["In-Reply-To"] == reminded["References"] == first["Message-ID"]
    urls = [set(re.findall(r"https://\S+", body(mail, "plain"))) for _, mail in inbox.mails[:2]]
    assert [len(each) for each in urls] == [3, 3]
    assert not urls[0] & urls[1]
    assert '"amount": 0' in body(first, "plain")
    assert "Opening one decides nothing" in body(first, "html")


def body(mail: Any, kind: str) -> str:
    part = mail.get_body(preferencelist=(kind,))
    return part.get_content().replace("\r\n", "\n")


@pytest.mark.sample(3)
@pytest.mark.parametrize("words", HOSTILE.values(), ids=HOSTILE)
async def test_hostile_words_are_text_in_mails(words: str) -> None:
    inbox = Inbox()
    with smtp_server(inbox) as port:
        for kind in KINDS:
            await mailer(port, links=LINKS).notify(hostile(words, kind=kind))
    known = {
        "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type",
    }  # fmt: skip
    for rcpt, mail in inbox.mails:
        assert rcpt == ["ana@desk.example"]
        assert {name for name in mail if not name.startswith("X-")} <= known
        assert not invisible(mail["Subject"])
        assert not invisible(body(mail, "plain"), lines=True)
        html = body(mail, "html")
        assert not invisible(html, lines=True)
        tags = set(re.findall(r"<(\w+)", html))
        assert tags <= {"html", "body", "h2", "h3", "table", "tr", "td", "pre", "p", "a", "b"}
        assert {re.sub(r"/link/.*", "", url) for url in re.findall(r'href="([^"]*)', html)} <= {
            "https://desk.example/in"
        }


async def test_without_links_a_mail_says_how_to_decide() -> None:
    inbox = Inbox()
    with smtp_server(inbox) as port:
        await mailer(port).notify(notice())
        await mailer(port).notify(hostile("a\nb"))
        await mailer(port).notify(notice(workflow_id="wf; rm -rf ~"))
        for each in ("w" * 50, "é" * 50):
            await mailer(port).notify(notice(workflow_id=each, id=each))
    texts = [body(mail, "plain") for _, mail in inbox.mails]
    assert "strands-temporal approvals approve order-7 q0" in texts[0]
    assert "strands-temporal approvals list" in texts[1]
    assert "approve 'wf; rm -rf ~' q0" in texts[2]
    assert [mail["Subject"] for _, mail in inbox.mails[3:]] == [
        f"Approval needed: refund ({each})" for each in ("w" * 50, "é" * 50)
    ]
    assert max(map(len, b"".join(inbox.raw).splitlines())) <= 998


async def test_mail_is_encrypted_and_logged_in(tmp_path: Path) -> None:
    server, client = certificate(tmp_path)
    inbox = Inbox()
    with smtp_server(inbox, context=server, login=True) as port:
        options: dict[str, Any] = {"sender": "a@desk.example", "to": ["ana@desk.example"], "context": client}
        good = EmailNotifier("localhost", port, login=("ana", "secret"), **options)
        await good.notify(notice())
        wrong = EmailNotifier("localhost", port, login=("ana", "wrong"), **options)
        with pytest.raises(ApplicationError, match="answers 535") as refused:
            await wrong.notify(notice())
        assert refused.value.non_retryable
        untrusting = EmailNotifier("localhost", port, sender="a@desk.example", to=["ana@desk.example"])
        with pytest.raises(ApplicationError, match="certificate that is not trusted") as untrusted:
            await untrusting.notify(notice())
        assert not untrusted.value.non_retryable
    assert len(inbox.mails) == 1
    # A server that cannot encrypt gets nothing.
    with smtp_server(Inbox()) as port, pytest.raises(ApplicationError, match="STARTTLS"):
        await EmailNotifier("localhost", port, **options).notify(notice())


async def test_refused_addresses_are_left_out_and_passing_refusals_tried_again() -> None:
    inbox = Inbox()
    inbox.refuses = {"bo@desk.example": ["550 unknown"] * 3, "cy@desk.example": ["450 later"]}
    with smtp_server(inbox) as port:
        mails = mailer(port, to=["ana@desk.example", "bo@desk.example", "cy@desk.example"])
        with pytest.raises(ApplicationError, match="answers 450") as later:
            await mails.notify(notice())
        assert not later.value.non_retryable
        assert (await mails.notify(notice())).to == ["ana@desk.example", "cy@desk.example"]
        with pytest.raises(ApplicationError, match="refuses all") as refused:
            await mailer(port, to=["bo@desk.example"]).notify(notice())
        assert refused.value.non_retryable
    assert [rcpt for rcpt, _ in inbox.mails] == [["ana@desk.example"], ["cy@desk.example"]]
    with pytest.raises(ApplicationError, match="does not answer") as away:
        await mails.notify(notice(id="n-9"))
    assert not away.value.non_retryable


@pytest.mark.parametrize(
    "options",
    [
        {"to": []},
        {"to": "ana@desk.example"},
        {"to": ["ana@desk.example\r\nBcc: eve@desk.example"]},
        {"to": ["ana"]},
        {"to": ["a@b@c"]},
        {"to": ["a@desk.example, b@desk.example"]},
        {"sender": "x\ny <a@desk.example>"},
        {"sender": "Ana <a@desk.example"},
        {"tls": "ssl"},
    ],
)
def test_bad_settings_of_mail_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="EmailNotifier"):
        mailer(25, **options)
    with pytest.raises(ValueError, match="unencrypted"):
        EmailNotifier("mail.example", 25, sender="a@b.c", to=["a@b.c"], tls="none", login=("a", "b"))
    assert smtplib.SMTP_SSL_PORT == 465


# --- Slack


def check_slack(message: dict[str, Any]) -> None:
    """Check a message against what Slack documents, with Slack's own SDK where it does."""
    blocks = message["blocks"]
    assert 1 <= len(blocks) <= MOST_BLOCKS
    assert [each.to_dict() for each in Block.parse_all(blocks)] == blocks
    assert message["text"].strip()
    ids = [each["block_id"] for each in blocks if "block_id" in each]
    assert len(ids) == len(set(ids))
    for each in cast("list[Any]", blocks):
        if each["type"] == "header":
            assert len(each["text"]["text"]) <= 150
        buttons: list[Any] = each["elements"] if each["type"] == "actions" else []
        for button in buttons:
            assert len(button["text"]["text"]) <= 75
            assert len(button.get("value", "")) <= 2_000
    for text in texts_in(blocks):
        assert 1 <= len(text) <= 3_000


def texts_in(value: Any) -> list[str]:
    if isinstance(value, dict):
        given = cast("dict[str, Any]", value)
        own = [given["text"]] if isinstance(given.get("text"), str) else []
        return own + [t for each in given.values() for t in texts_in(each)]
    parts = cast("list[Any]", value) if isinstance(value, list) else []
    return [t for each in parts for t in texts_in(each)]


def slacker(url: str = "https://slack.example", **options: Any) -> SlackNotifier:
    return SlackNotifier(token="xoxb-1", channel="#ops", api=f"{url}/api", **options)  # noqa: S106


async def test_a_message_in_slack_is_answered_and_changes_with_each_decision() -> None:
    asked = notice(2)
    with recording() as slack:
        notifier = slacker(slack.url, links=LINKS)
        told = await notifier.notify(asked)
        await notifier.notify(notice(2, kind="reminder", number=1, reference=told.reference))
        first = ApprovalRecord("q0", "gate", "approved", by="ana", tool="refund")
        one = notice(
            kind="decided", pending=asked.pending[1:], decided=asked.pending[:1], records=[first],
            reference=told.reference,
        )  # fmt: skip
        after = await notifier.notify(one)
        second = ApprovalRecord("q1", "gate", "rejected", by="bo", reason="no", tool="refund")
        both = notice(
            kind="decided", pending=[], decided=asked.pending[1:], records=[second], reference=after.reference
        )
        await notifier.notify(both)
    assert [path for path, _, _ in slack.requests] == [
        "/api/chat.postMessage",
        "/api/chat.postMessage",
        "/api/chat.update",
        "/api/chat.update",
    ]
    assert {headers["authorization"] for _, headers, _ in slack.requests} == {"Bearer xoxb-1"}
    for each in slack.bodies:
        check_slack(each)
    posted, answered, updated, last = slack.bodies
    assert (posted["channel"], "thread_ts" in posted) == ("#ops", False)
    assert (answered["channel"], answered["thread_ts"]) == ("C1", "17.1")
    assert (updated["channel"], updated["ts"]) == ("C1", "17.1")
    values = [json.loads(b["value"]) for each in buttons(posted) for b in each if "value" in b]
    assert values[0] == ["order-7", "q0", "sha256:0"]
    assert [len(buttons(each)) for each in slack.bodies] == [2, 2, 1, 0]
    assert "Call of refund: Approved by ana" in texts_in(last["blocks"])
    assert "Rejected by bo: no" in texts_in(last["blocks"])


def buttons(message: dict[str, Any]) -> list[Any]:
    return [each["elements"] for each in message["blocks"] if each["type"] == "actions"]


@pytest.mark.parametrize("words", HOSTILE.values(), ids=HOSTILE)
def test_hostile_words_are_text_in_slack(words: str) -> None:
    for kind in KINDS:
        message = slacker().message(hostile(words, kind=kind))
        check_slack(message)
        assert not re.search(r"<[!@#h]", message["text"])
        for block in message["blocks"]:
            assert block["type"] in ("header", "rich_text", "actions")  # rich text is never parsed
            if block["type"] == "header":
                assert block["text"]["type"] == "plain_text"
                assert not re.search(r"[<>]", block["text"]["text"])
        for text in texts_in(message["blocks"]):
            assert not invisible(text, lines=True)
        assert {e["type"] for e in elements_in(message["blocks"])} <= {"text"}


def elements_in(blocks: Any) -> list[Any]:
    return [e for b in blocks if b["type"] == "rich_text" for part in b["elements"] for e in part["elements"]]


def test_large_notices_fit_into_slack() -> None:
    big = "x" * 100_000
    many = [PendingApproval(f"q{i}", "gate", None, "refund", {"a": big}, "d", agent=big) for i in range(60)]
    message = slacker(links=LINKS).message(notice(pending=many))
    check_slack(message)
    long_id = notice(workflow_id="w" * 1_990)
    message = slacker().message(long_id)  # its buttons could not name it
    check_slack(message)
    assert buttons(message) == []


ANSWERS: list[tuple[tuple[int, Any], bool]] = [
    ((200, {"ok": False, "error": "channel_not_found"}), False),
    ((200, {"ok": False, "error": "ratelimited"}), True),
    ((429, {"ok": False, "error": "ratelimited"}), True),
    ((503, None), True),
    ((404, "not JSON's object"), False),
]


@pytest.mark.parametrize(("answer", "retryable"), ANSWERS)
async def test_what_slack_answers(answer: tuple[int, Any], retryable: bool) -> None:
    with recording(answer) as slack, pytest.raises(ApplicationError, match="Slack answers") as caught:
        await slacker(slack.url).notify(notice())
    assert caught.value.non_retryable is not retryable


async def test_a_message_that_is_gone_is_no_failure() -> None:
    with recording((200, {"ok": False, "error": "message_not_found"})) as slack:
        told = await slacker(slack.url).notify(
            notice(kind="decided", pending=[], reference='["C1", "1", []]')
        )
    assert told.to == ["#ops"]


# --- Teams


def check_card(message: dict[str, Any]) -> None:
    """Check a message against what Teams takes, and its card against version 1.4 of the schema."""
    assert len(json.dumps(message)) <= LARGEST_MESSAGE
    assert message["type"] == "message"
    (attachment,) = message["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    assert set(card) <= {"type", "$schema", "version", "body", "actions"}
    for each in card["body"]:
        check_element(each)


KNOWN: dict[str, set[str]] = {
    "Container": {"items", "separator"},
    "RichTextBlock": {"inlines"},
    "ActionSet": {"actions"},
    "Action.OpenUrl": {"title", "url"},
    "TextRun": {"text", "size", "weight", "fontType"},
}


def check_element(each: dict[str, Any]) -> None:
    assert set(each) - {"type"} <= KNOWN[each["type"]], each
    for part in (*each.get("items", ()), *each.get("inlines", ()), *each.get("actions", ())):
        check_element(part)
    if each["type"] == "TextRun":
        assert isinstance(each["text"], str)
        assert each.get("size", "Default") in ("Default", "Small", "Medium", "Large", "ExtraLarge")


@pytest.mark.parametrize("words", HOSTILE.values(), ids=HOSTILE)
def test_hostile_words_are_text_in_teams(words: str) -> None:
    for kind in KINDS:
        message = TeamsNotifier("https://teams.example/hook", links=LINKS).message(hostile(words, kind=kind))
        check_card(message)  # only runs of text hold words, and they know no markup
        for text in texts_in(message):
            assert "{{" not in text
            assert not invisible(text, lines=True)


async def test_each_notice_is_a_card_in_teams_and_large_ones_fit() -> None:
    with recording((202, {}), (400, {}), (500, {})) as teams:
        notifier = TeamsNotifier(f"{teams.url}/hook?sig=hidden", timeout=timedelta(seconds=5))
        big = [PendingApproval(f"q{i}", "g", None, "refund", {"a": "é" * 9_000}, "d") for i in range(40)]
        assert (await notifier.notify(notice(pending=big))).reference is None
        for retryable in (False, True):
            with pytest.raises(ApplicationError) as caught:
                await notifier.notify(notice())
            assert caught.value.non_retryable is not retryable
            assert "hidden" not in caught.value.message
    check_card(teams.bodies[0])
    assert isinstance(notice(), ApprovalNotice)
