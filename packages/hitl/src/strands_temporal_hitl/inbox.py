"""The inbox: pages on which people see and decide what waits over all workflows. Needs the extra `web`.

    from strands_temporal_hitl.identity import JWTVerifier
    from strands_temporal_hitl.inbox import SessionLogin, inbox_app

    app = inbox_app(client, authenticate=SessionLogin(JWTVerifier(...)), key=os.environ["INBOX_KEY"])

Serve it with any ASGI server, alone or mounted in another app. See docs/inbox.md.
"""

import secrets
from collections.abc import Callable, Sequence
from typing import Any

from starlette.applications import Starlette
from temporalio.client import Client

from strands_temporal import AgentTypeError, AgentValueError

from ._inbox.access import Access
from ._inbox.app import Inbox
from ._inbox.sign_in import FindPerson, ProxyHeader, SessionLogin
from ._links import DecisionLinks, Key, keys_of
from ._people import Person

__all__ = ["DecisionLinks", "FindPerson", "ProxyHeader", "SessionLogin", "inbox_app"]


def inbox_app(
    client: Client,
    *,
    authenticate: SessionLogin | ProxyHeader | FindPerson | None = None,
    key: Key | None = None,
    links_key: Key | None = None,
    people: Callable[[str], Person | None] | None = None,
    workflow_types: Sequence[str] = (),
    vouch: bool = True,
) -> Starlette:
    """Return an ASGI app with the inbox.

    It keeps nothing but what it just asked: it may be restarted, or run many times with the same keys.

    Args:
        client: A client with the data converter of the workflows' workers.
        authenticate: How people are found: `SessionLogin`, `ProxyHeader`, or a function of the request that
            returns a `Person`, of the app around the inbox. Without it the inbox answers only requests from
            this machine, and decides as its user, whom nobody verifies.
        key: A secret of at least 32 bytes, or several of them, of which the first one signs. It signs
            cookies, forms, and the proof of who decides: give it to `SignedVerifier` on the workers.
        links_key: The key of `DecisionLinks`, for the pages of its links. Without it there are none.
        people: Returns the person with a name and the groups of now, None for somebody unknown. It is asked
            when somebody decides by a link. Without it a link's own groups count.
        workflow_types: Types whose open workflows are all asked, on a server without the search attribute.
        vouch: Whether the inbox proves who decides. False states the name, for workers without `verify=`.

    Raises:
        AgentTypeError: If an argument has a wrong type.
        AgentValueError: If a key is too short, or is needed and missing.
    """
    return make_inbox(
        client,
        authenticate=authenticate,
        key=key,
        links_key=links_key,
        people=people,
        workflow_types=workflow_types,
        vouch=vouch,
    )


def make_inbox(
    client: Client,
    *,
    authenticate: SessionLogin | ProxyHeader | FindPerson | None = None,
    key: Key | None = None,
    links_key: Key | None = None,
    people: Callable[[str], Person | None] | None = None,
    workflow_types: Sequence[str] = (),
    vouch: bool = True,
    home: tuple[str, str] | None = None,
) -> Starlette:
    """Return the app of `inbox_app`. Private: with `home`, its pages have a link to what is around it."""
    given: Any = authenticate
    if given is not None and not isinstance(given, (SessionLogin, ProxyHeader)) and not callable(given):
        raise AgentTypeError(
            f"inbox_app: authenticate={given!r} is no SessionLogin, no ProxyHeader and no function"
        )
    if people is not None and not callable(people):
        raise AgentTypeError(f"inbox_app: people={people!r} is not a function of a name")
    if isinstance(workflow_types, str):
        raise AgentTypeError(
            f"inbox_app: workflow_types={workflow_types!r} is not a list. Write [{workflow_types!r}]"
        )
    if key is None and (authenticate is not None or links_key is not None):
        raise AgentValueError(
            "inbox_app: key= is needed with authenticate= or links_key=. It is a secret of at least 32 "
            "bytes, the same for all processes of the inbox and for SignedVerifier on the workers"
        )
    keys = [secrets.token_bytes(32)] if key is None else keys_of("inbox_app", "key", key)
    access = Access(authenticate, keys, vouch=vouch, people=people)
    links = None if links_key is None else keys_of("inbox_app", "links_key", links_key)
    return Inbox(client, access, links_keys=links, workflow_types=workflow_types, home=home).starlette()
