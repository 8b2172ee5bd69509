"""Channels: notifiers that tell people of questions, for `HITLPlugin(notifiers={...})` on the worker.

    HITLPlugin(
        notifiers={
            "mail": lambda: EmailNotifier(
                "smtp.example.com", sender="approvals@example.com", to=["ana@example.com"]
            ),
            "slack": lambda: SlackNotifier(token=os.environ["SLACK_TOKEN"], channel="C0123456789"),
        }
    )

`slack_actions` is no notifier: it is an ASGI app for the clicks on the buttons in Slack.
"""

from ._email import EmailNotifier, Recipients
from ._slack import SlackNotifier
from ._slack_actions import SlackPeople, slack_actions
from ._teams import TeamsNotifier
from ._webhook import Notifier, NotifierFactory, WebhookNotifier

__all__ = [
    "EmailNotifier",
    "Notifier",
    "NotifierFactory",
    "Recipients",
    "SlackNotifier",
    "SlackPeople",
    "TeamsNotifier",
    "WebhookNotifier",
    "slack_actions",
]
