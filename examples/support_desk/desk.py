"""The desk: the inbox in which people decide, and a mail server that shows each mail here.

`python -m examples.support_desk.desk`. In production your own mail server sends the mails.
"""

from email import message_from_bytes
from email.policy import default
from typing import Any

import uvicorn
from aiosmtpd.controller import Controller
from temporalio.client import Client

from examples.support.programs import ADDRESS, run_client
from examples.support_desk.people import INBOX, PEOPLE, PORT, SMTP_PORT, key
from strands_temporal import StrandsPlugin
from strands_temporal_hitl.identity import SignedVerifier
from strands_temporal_hitl.inbox import SessionLogin, inbox_app


class Mailbox:
    """Prints the text of each mail."""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802  # aiosmtpd's
        """Take a mail."""
        del server, session
        mail = message_from_bytes(envelope.content, policy=default)
        body = mail.get_body(("plain",))
        print(f"--- Mail to {mail['to']}: {mail['subject']}", flush=True)
        print(body.get_content() if body else "", flush=True)
        return "250 taken"


async def main() -> None:
    """Serve until interrupted."""
    client = await Client.connect(ADDRESS, plugins=[StrandsPlugin()])
    login = SessionLogin(SignedVerifier([key("inbox")]), scheme="signed")
    app = inbox_app(client, authenticate=login, key=key("inbox"), links_key=key("links"), people=PEOPLE.get)
    mails = Controller(Mailbox(), hostname="127.0.0.1", port=SMTP_PORT)
    mails.start()
    print(f"Open {INBOX}, and sign in with `python -m examples.support_desk.people ana`.", flush=True)
    try:
        await uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=PORT, log_level="warning")).serve()
    finally:
        mails.stop()


if __name__ == "__main__":
    run_client(main())
