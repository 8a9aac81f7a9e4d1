"""Two machines with one database and its standby: whatever becomes of one of them, callers are answered, once, and nothing
that was acknowledged is lost.

Each fault by itself, with the seconds it took: test_many_machines_campaign.py.
"""

import time

import pytest
from hosts import hosts
from many_machines import cut_off, frozen, kill, running, site_on, with_standby

SETTLE = 3.0  # seconds of load before and after each fault


@pytest.fixture
def network():
    with hosts(4) as made:
        yield made


@pytest.fixture
def databases(network):
    """The primary, and a standby that acknowledges with it."""
    with with_standby(network[2], network[3]) as made:
        yield made


@pytest.fixture
def site(network, databases, pack_dir):
    """Two machines with a worker each."""
    with running(site_on(network[:2], *databases)) as made:
        yield made


def test_machines_lose_parts_cable_and_database_and_nobody_notices_more_than_a_wait(site, databases):
    primary, standby = databases
    crowd = site.crowd()
    with crowd.busy():
        time.sleep(SETTLE)
        kill(site.process(0, "web_server"))
        time.sleep(SETTLE)
        kill(site.process(1, "recognition_worker"))
        time.sleep(SETTLE)
        with frozen(site.process(1, "web_server")):
            time.sleep(SETTLE)
        if site.machines[0].cable:
            with cut_off(site.machines[0]):
                time.sleep(SETTLE)
        primary.kill()
        standby.promote()
        crowd.wait_for_new_calls()
    site.check(crowd)
    assert any(answer.asked > 1 for answer in crowd.answers), "nobody noticed"
