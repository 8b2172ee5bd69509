"""The search attribute of workflows that wait for a person: is it known to the server, can it be made known?

A workflow that sets an attribute which the server does not know fails its task for ever. So it is looked up
before it is ever set.
"""

import asyncio
import logging

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from ._types import IS_PENDING, PENDING

logger = logging.getLogger(__name__)

WAITING = f"{PENDING.name} = '{IS_PENDING}'"
"""Visibility query for what waits for a person."""

# What is an answer. Any other status (a server that is busy, or going) says nothing, and is asked again.
_NO = (RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED)
_TRIES = 50  # a fresh attribute is known at once or within a second
_PAUSE = 0.1  # seconds between tries


async def is_known(client: Client) -> bool:
    """Tell whether the server knows the search attribute in the client's namespace.

    It is asked by a query that names it: this works for whoever may list workflows, on any kind of server.

    Raises:
        RPCError: If the server cannot say now.
    """
    try:
        await client.count_workflows(WAITING)
    except RPCError as error:
        if error.status not in _NO:
            raise
        return False
    return True


async def make_known(client: Client) -> bool:
    """Register the search attribute where it is allowed; tell whether the server knows it then.

    Raises:
        RPCError: If the server cannot do so now.
    """
    request = AddSearchAttributesRequest(namespace=client.namespace)
    request.search_attributes[PENDING.name] = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
    try:
        await client.operator_service.add_search_attributes(request)
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
