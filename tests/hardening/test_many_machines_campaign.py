"""What each fault of several machines costs, in seconds: pytest -m campaign -s tests/hardening, ten minutes, as root.

16 clients recognise and add people meanwhile, each under an Idempotency-Key. Of each fault: how long nobody was answered, how
long the slowest call took with all its repeats, and how many calls had to be repeated.
"""

import time
from collections.abc import Callable

import pytest
from database_server import OWNER, DatabaseServer, url
from hosts import hosts
from many_clients import Crowd
from many_machines import Site, cut_off, frozen, kill, running, site_on, with_standby

pytestmark = pytest.mark.campaign
SETTLE = 8.0  # seconds of load before the first fault and after each
USUAL = {"FACEPLATFORM_LEASE_SECONDS": "30"}  # as an installation has it
HELD = 20.0  # seconds for which something is frozen or cut off


@pytest.fixture
def network():
    with hosts(4) as made:
        yield made


def report(site: Site, crowd: Crowd, name: str, fault: Callable[[], object]) -> None:
    """Does it under load, waits until calls are answered again, and prints the row. All workers live before and after it."""
    began = time.monotonic()
    fault()
    over = time.monotonic()
    back = crowd.wait_for_new_calls()
    time.sleep(SETTLE)
    until = time.monotonic()
    site.wait_for_workers()
    again = sum(one.asked > 1 and one.ended > began for one in list(crowd.answers))
    print(
        f"| {name} | {crowd.silence(began, until):.1f} | {crowd.slowest(began, until):.1f} | {again} "
        f"| {over - began:.1f} | {back:.1f} |",
        flush=True,
    )


def held(context) -> None:
    with context:
        time.sleep(HELD)


def head(title: str) -> None:
    print(f"\n{title}\n| fault | nobody answered, s | slowest call, s | calls repeated | lasted, s | 32 new calls, s |")


def test_parts_and_machines(network, pack_dir):
    with with_standby(*network[2:]) as servers, running(site_on(network[:2], *servers, **USUAL)) as site:
        crowd = site.crowd()
        head("Two machines with a worker each, 16 clients")
        with crowd.busy():
            time.sleep(SETTLE)
            for part in ("web_server", "recognition_worker"):
                report(site, crowd, f"{part} killed", lambda part=part: kill(site.process(0, part)))
                report(site, crowd, f"{part} frozen", lambda part=part: held(frozen(site.process(1, part))))
            if network[0].cable:
                report(site, crowd, "a machine cut off", lambda: held(cut_off(network[0])))
                report(site, crowd, "the standby cut off", lambda: held(cut_off(network[3])))
            report(site, crowd, "primary killed, standby promoted", lambda: (servers[0].kill(), servers[1].promote()))
        site.check(crowd)


def test_a_primary_that_is_cut_off(network, pack_dir):
    if not network[0].cable:
        pytest.skip("no network namespace can be made here, so no cable can be pulled")
    with with_standby(*network[2:]) as (primary, standby):
        more = "tcp_user_timeout=10000&keepalives_idle=5&keepalives_interval=2"
        urls = {"url": url(primary, standby, more=more), "owner_url": url(primary, standby, role=OWNER, more=more)}
        with running(Site(network[:2], **urls, **USUAL)) as site:
            crowd = site.crowd()
            head("The primary's cable is pulled; the standby is promoted five seconds later")
            with crowd.busy():
                time.sleep(SETTLE)

                def fault() -> None:
                    primary.host.cut_off()
                    time.sleep(5)
                    standby.promote()

                report(site, crowd, "primary cut off, standby promoted", fault)
            site.check(crowd)


def test_a_database_that_is_away_for_a_while(network, pack_dir):
    database = DatabaseServer.new(network[2])
    try:
        with running(site_on(network[:2], database, **USUAL)) as site:
            crowd = site.crowd()
            head("One database without a standby")
            with crowd.busy():
                time.sleep(SETTLE)

                def fault() -> None:
                    database.kill()
                    time.sleep(45)
                    database.start()

                report(site, crowd, "killed, started again after 45 s", fault)
            site.check(crowd)
    finally:
        database.stop()


@pytest.mark.parametrize("machines", [1, 2])
def test_recognitions_a_second(network, pack_dir, machines):
    database = DatabaseServer.new(network[2])
    try:
        with running(site_on(network[:machines], database, **USUAL)) as site:
            crowd = site.crowd(people=False)
            with crowd.busy():
                crowd.wait_for_new_calls()
                began = time.monotonic()
                time.sleep(20)
                print(
                    f"\n{machines} machines with a worker each: {crowd.rate(began, time.monotonic()):.1f} recognitions/s"
                )
            site.check(crowd)
    finally:
        database.stop()
