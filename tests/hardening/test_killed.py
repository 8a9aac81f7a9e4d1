"""Parts are killed under load: nothing acknowledged is lost, nothing is done twice, and all of it comes back."""

from tests.hardening.campaign.running import run

SECONDS = 9.0


def test_kill_9_of_workers_and_the_web_server_under_load(sface_dir):
    rows = list(run(["kill-worker", "kill-web"], seed=1, seconds=SECONDS))
    for row in rows:
        assert row.wrong == [] and row.recovered is not None, row
        assert row.acknowledged > 0
    assert rows[1].answers["none"], "nobody noticed"
