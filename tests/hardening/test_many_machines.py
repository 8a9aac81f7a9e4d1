"""Two machines with one database: whatever becomes of one of them, callers are answered, once, and nothing is lost.

Longer, with the seconds that each took: pytest -m campaign tests/hardening -s
"""

import time

import pytest
from database_server import DatabaseServer
from hosts import hosts
from many_machines import cut_off, frozen, kill, running, site_on

SETTLE = 3.0  # seconds of load before and after each fault


@pytest.fixture
def network():
    with hosts(3) as made:
        yield made


@pytest.fixture
def site(network, pack_dir):
    """Two machines with a worker each, and a third with the database."""
    database = DatabaseServer.new(network[2])
    try:
        with running(site_on(network[:2], database)) as made:
            yield made
    finally:
        database.stop()


def test_a_machine_loses_its_parts_or_its_cable_and_nobody_notices_more_than_a_wait(site):
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
        time.sleep(SETTLE)
    site.check(crowd)
    assert any(answer.asked > 1 for answer in crowd.answers), "nobody noticed"
