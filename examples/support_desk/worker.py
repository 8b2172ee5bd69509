"""The worker of this example. Start it first; Ctrl+C ends it."""

from temporalio.client import Client
from temporalio.worker import Worker

from examples.support.programs import ADDRESS, run_worker
from examples.support.serving import chosen_model
from examples.support_desk.people import INBOX, PEOPLE, SMTP_PORT, address, key, owner
from examples.support_desk.workflow import MODEL, TASK_QUEUE, SupportDeskWorkflow, refund
from strands_temporal import StrandsPlugin
from strands_temporal_hitl import ApprovalNotice, HITLPlugin
from strands_temporal_hitl.channels import EmailNotifier
from strands_temporal_hitl.identity import SignedVerifier
from strands_temporal_hitl.inbox import DecisionLinks


def told(notice: ApprovalNotice) -> list[str]:
    """Return whom a mail goes to: those who may decide, and afterwards all, who may have been told before."""
    groups = {group for each in notice.pending for group in (each.deciders or {}).get("groups", [])}
    may = [person for person in PEOPLE.values() if groups & {*person.groups}]
    return [address(person) for person in (may or PEOPLE.values())]


def mail() -> EmailNotifier:
    """Make the notifier. Each mail has links for its reader alone."""
    links = DecisionLinks(INBOX, key("links"), owner)
    return EmailNotifier(
        "127.0.0.1", SMTP_PORT, sender="Desk <desk@desk.example>", to=told, links=links, tls="none"
    )


async def main() -> None:
    """Run until interrupted."""
    async with chosen_model(must_call_tools=True) as choice:
        plugins = [
            StrandsPlugin(models={MODEL: choice.factory}),
            HITLPlugin(
                verify=SignedVerifier([key("inbox")]),
                ticket_keys=[key("tickets")],
                notifiers={"mail": mail},
            ),
        ]
        client = await Client.connect(ADDRESS, plugins=plugins)
        worker = Worker(client, task_queue=TASK_QUEUE, workflows=[SupportDeskWorkflow], activities=[refund])
        print(f"Worker started, with {choice.label}. Ctrl+C to exit.", flush=True)
        await worker.run()


if __name__ == "__main__":
    run_worker(main())
