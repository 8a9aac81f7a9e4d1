"""What Prometheus reads: right, cheap, of bounded size, naming nobody, and for the monitor alone."""

import json
import re
import shutil
import subprocess
import threading
from pathlib import Path

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.utils import timezone
from factories import GalleryFactory, UserFactory
from prometheus_client.parser import text_string_to_metric_families

from accounts.actor import system_actor
from recognition.backups.models import Backup
from recognition.monitoring import figures
from recognition.photos import queue
from recognition.photos.models import RecognitionRequest
from recognition.photos.services import Photo, submit_recognition
from recognition.tallies import counting
from recognition.tallies.models import Tally

DOCS = Path(__file__).resolve().parents[3] / "docs" / "monitoring"
ENGINE = {"dlib-resnet": {"nets": [{"name": "embedder", "precision": "bf16", "runtime": "mxnet"}]}}


@pytest.fixture(autouse=True)
def nothing_counted():
    counting._counts.clear()
    yield
    counting._counts.clear()


def read(**headers) -> dict[tuple, float]:
    """Name and labels of each sample → its value."""
    answer = Client().get("/metrics", **headers)
    assert answer.status_code == 200, answer.content
    families = text_string_to_metric_families(answer.content.decode())
    return {
        (sample.name.removeprefix("faceplatform_"), *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


@pytest.mark.django_db
def test_a_recognition_is_in_the_figures(worker, hopper, lasting_workers, django_capture_on_commit_callbacks):
    gallery = GalleryFactory(slug="zacharias", name="Quillfeather")
    submit = {"actor": system_actor(), "gallery": gallery, "needs_worker": False}
    queue.register_worker(host="here", process_id=1, engine=ENGINE)
    rows = [submit_recognition(photo=Photo("quillfeather.jpg", hopper), **submit) for _ in range(3)]
    RecognitionRequest.objects.filter(pk=rows[1].pk).update(photo=b"no photo")
    assert read()["queue_photos", "recognize", "queued"] == 3
    with django_capture_on_commit_callbacks(execute=True):
        worker.run_once()
    counting.flush()
    Backup.objects.create(kind="daily", file="one", finished_at=timezone.now(), size=77, verification_error="cut off")
    found = read()
    assert not any(name == "queue_photos" for name, *_ in found)
    assert (found["photos_total", "done"], found["photos_total", "failed"]) == (2, 1)
    assert (found["claims_total",], found["claimed_photos_total",]) == (1, 3)
    assert found["decisions_total", "unknown"] == 2 and found["refusals_total", "invalid_image"] == 1
    for stage in ("queued", "decode", "detect", "embed", "search", "total"):
        assert found["stage_seconds_count", stage] == found["stage_seconds_bucket", "+Inf", stage] == 2
        assert found["stage_seconds_sum", stage] > 0
    assert found["workers", "bf16", "mxnet"] == 1
    [pack] = [key for key in found if key[0] == "packs_in_force"]
    assert "dlib-resnet" in pack and any("CC0" in label for label in pack) and found[pack] == 1
    assert (found["backup_bytes",], found["backup_sound",], found["backup_daily",]) == (77, 0, 0)
    assert found["database_bytes",] > 0 and found["database_up",] == 1
    text = Client().get("/metrics").content.decode().lower()
    assert "zacharias" not in text and "quillfeather" not in text


@pytest.mark.django_db
def test_a_scrape_is_one_statement(django_assert_num_queries):
    read()
    with django_assert_num_queries(1):
        read()


@pytest.mark.django_db
def test_addresses_that_are_made_up_make_no_figures():
    client = Client()
    client.force_login(UserFactory())
    client.get("/galleries/a/recognise")
    client.get("/nowhere")
    before = read()
    for number in range(20):
        assert client.get(f"/galleries/a{number}/recognise").status_code == 404
        assert client.get(f"/nowhere-{number}").status_code == 404
        client.generic("BREW", f"/teapot-{number}")
    new = {key for key in set(read()) - set(before) if key[0].startswith("http")}
    assert {key[1] for key in new if key[0] == "http_requests_total"} == {"other"}
    assert read()["http_requests_total", "GET", "/galleries/<slug:slug>/recognise", "404"] >= 21


@pytest.mark.django_db
def test_only_the_monitor_reads_them(settings):
    def status(**headers) -> int:
        return Client().get("/metrics", **headers).status_code

    assert status() == 200
    assert status(REMOTE_ADDR="::1") == 200
    assert status(REMOTE_ADDR="10.0.0.7") == 403
    # through a proxy on this machine, whether or not it is named
    assert status(HTTP_X_FORWARDED_FOR="203.0.113.9") == status(HTTP_X_FORWARDED_PROTO="https") == 403
    assert status(HTTP_HOST="faces.internal") == 200
    settings.METRICS_TOKEN = "a token of the tests"
    assert (
        status()
        == status(HTTP_AUTHORIZATION="Bearer another")
        == status(HTTP_AUTHORIZATION="a token of the tests")
        == 403
    )
    assert status(HTTP_AUTHORIZATION="Bearer a token of the tests", REMOTE_ADDR="10.0.0.7") == 200
    assert Client().post("/metrics").status_code == 405


@pytest.mark.django_db
def test_without_a_database_they_say_so(monkeypatch):
    monkeypatch.setattr(figures, "STATE", "SELECT 1 / 0")
    found = read()
    assert found["database_up",] == 0 and "http_requests_total" in {key[0] for key in found}


@pytest.mark.django_db(transaction=True)
def test_workers_add_to_the_same_counts_at_once():
    """Each process counts for itself; the table has the sum."""

    def work(own: dict) -> None:
        for number in range(30):
            with connection.cursor() as cursor:
                cursor.execute(counting.ADD, [json.dumps(own["rows"] if number % 2 else own["rows"][::-1])])
        connection.close()

    buckets = [1] * (len(counting.BOUNDS) + 1)
    rows = [{"name": "stages", "label": f"s{n}", "count": 15, "total": 0.5, "buckets": buckets} for n in range(20)]
    threads = [threading.Thread(target=work, args=({"rows": rows},)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {(row.count, row.total, *set(row.buckets)) for row in Tally.objects.all()} == {(120 * 15, 60.0, 120)}


@pytest.mark.django_db
def test_what_cannot_be_written_is_not_lost_and_labels_are_bounded(monkeypatch):
    counting.observe("stages", "decode", 0.004)
    with monkeypatch.context() as broken:
        broken.setattr(counting, "ADD", "SELECT %s / 0")
        with pytest.raises(DatabaseError), transaction.atomic():
            counting.flush()
    counting.observe("stages", "decode", 99)
    for number in range(1000):
        counting.count("refusals", f"reason-{number}")
    counting.flush()
    stage = Tally.objects.get(name="stages")
    assert (stage.count, stage.total, stage.buckets[2], stage.buckets[-1]) == (2, 99.004, 1, 1)
    reasons = Tally.objects.filter(name="refusals")
    assert reasons.count() == counting.MOST and sum(row.count for row in reasons) == 1000


@pytest.mark.django_db
def test_dashboard_and_alerts_ask_for_figures_that_exist(worker):
    counting.count("finished", "done")
    counting.observe("stages", "search", 0.1)
    counting.flush()
    families = text_string_to_metric_families(Client().get("/metrics").content.decode())
    endings = ("", "_total", "_bucket", "_count", "_sum")
    known = {f"{family.name}{ending}" for family in families for ending in endings}
    known |= {"faceplatform_backup_age_seconds", "faceplatform_backup_bytes", "faceplatform_backup_sound"}
    for file in ("alerts.yml", "grafana.json"):
        asked = set(re.findall(r"\bfaceplatform_\w+", (DOCS / file).read_text()))
        assert asked and asked <= known, asked - known
    panels = json.loads((DOCS / "grafana.json").read_text())["panels"]
    assert all(panel["targets"] for panel in panels)


def test_the_alert_rules_are_valid():
    if not (promtool := shutil.which("promtool")):
        pytest.skip("promtool (Debian's package prometheus) is not here")
    done = subprocess.run(
        [promtool, "check", "rules", DOCS / "alerts.yml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
