"""Many agents at once come to their ends, also against a provider that refuses what is above its quota.

How long they take is measured by `python -m benchmarks.crowd`, and asserted nowhere.
"""

import pytest
from benchmarks.crowd import run_agents, run_quota
from benchmarks.crowd_provider import Quota
from temporalio.client import Client

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(1200)]


async def test_five_hundred_agents_at_once_come_to_their_ends(client: Client) -> None:
    told = await run_agents(client, 500)
    assert told["ended"] == 500


@pytest.mark.parametrize("limit", [None, 4.0])
async def test_a_provider_that_refuses_calls_gets_them_again_until_all_are_answered(
    client: Client, limit: float | None
) -> None:
    quota = Quota(per_second=4, burst=4)
    told = await run_quota(client, 16, 3, quota, limit)
    assert told["ended"] == 16
    assert told["calls"] >= 48
    if limit is None:
        assert quota.refused > 0, "sixteen calls at once are more than four"


async def test_the_quota_counts_as_providers_do() -> None:
    quota = Quota(per_second=0.001, burst=2)
    waits = [quota.take() for _ in range(3)]
    assert waits[:2] == [0, 0]
    assert 900 < waits[2] <= 1000
    assert (len(quota.answered), quota.refused) == (2, 1)


async def test_an_overloaded_provider_refuses_a_share_of_what_the_quota_allows() -> None:
    quota = Quota(per_second=0.001, burst=10, refuses=0.5)
    assert [quota.take() > 0 for _ in range(6)] == [False, True] * 3
    assert (len(quota.answered), quota.refused) == (3, 3)
