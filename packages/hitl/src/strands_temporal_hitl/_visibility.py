"""Looks up and registers the search attribute of workflows that wait for a person.

If a workflow sets an attribute that the server does not know, or knows with a different type, its workflow
task fails forever. So the attribute is looked up before it is ever set.
"""

import asyncio
import logging

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from ._protocol import IS_PENDING, PENDING

logger = logging.getLogger(__name__)

WAITING = f"{PENDING.name} = '{IS_PENDING}'"
"""Visibility query for workflows that wait for a person."""

# Codes that mean "no". Any other code (the server is busy, or restarts) is not an answer: try again.
_NO = (RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED)
_KEYWORD = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
_ABSENT = IndexedValueType.INDEXED_VALUE_TYPE_UNSPECIFIED
_TRIES = 50  # a new attribute is known at once or within a second
_PAUSE = 0.1  # seconds between tries


async def is_known(client: Client) -> bool:
    """Tell whether the server knows the search attribute in the client's namespace, as a Keyword.

    Asks for the attribute's type if that is allowed, because a server may answer the query below for an Int
    as well. Then sends a visibility query that names the attribute. This works on any kind of server, for
    anyone who may list workflows.

    Raises:
        RPCError: If the server cannot answer now.
    """
    if await _type(client) not in (None, _KEYWORD):
        return False
    try:
        await client.count_workflows(WAITING)
    except RPCError as error:
        if error.status not in _NO:
            raise
        return False
    return True


async def make_known(client: Client) -> bool:
    """Register the search attribute if that is allowed. Return whether the server then knows it.

    Raises:
        RPCError: If the server cannot do so now.
    """
    known_type = await _type(client)
    if known_type not in (None, _ABSENT, _KEYWORD):
        logger.warning(
            "namespace=<%s>, search_attribute=<%s>, type=<%s> | is not a Keyword, so it is not used; have it "
            "removed and registered as a Keyword to find all approvals at once",
            client.namespace,
            PENDING.name,
            IndexedValueType.Name(known_type),
        )
        return False
    request = AddSearchAttributesRequest(namespace=client.namespace)
    request.search_attributes[PENDING.name] = _KEYWORD
    try:
        await client.operator_service.add_search_attributes(request, retry=True)
    except RPCError as error:
        if error.status not in _NO:
            raise
        logger.warning(
            "namespace=<%s>, search_attribute=<%s>, error=<%s> | may not be registered from here; have it "
            "registered as a Keyword to find all approvals at once",
            client.namespace,
            PENDING.name,
            error.message,
        )
        return False
    for _ in range(_TRIES):
        if await is_known(client):
            return True
        await asyncio.sleep(_PAUSE)
    return False


async def _type(client: Client) -> IndexedValueType.ValueType | None:
    """Return the type of the search attribute, `_ABSENT` if there is none, None if asking is not allowed."""
    try:
        listed = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=client.namespace), retry=True
        )
    except RPCError as error:
        if error.status not in _NO:
            raise
        return None
    return listed.custom_attributes.get(PENDING.name, _ABSENT)
