"""Somebody sets the clock an hour back or forward: what is stored then lies in the future or the past."""

import time
from datetime import timedelta

import pytest
import uuid6
from django.db import DatabaseError, transaction
from django.db.models import F
from django.utils import timezone
from factories import GalleryFactory

from accounts import audit, buckets
from accounts.actor import system_actor
from accounts.models import RequestBucket
from recognition.health.models import HealthReport
from recognition.imports.models import Import
from recognition.photos import queue
from recognition.photos.models import RecognitionRequest, Worker
from recognition.reports import running as reports

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
BOTH_WAYS = pytest.mark.parametrize("shift", [HOUR, -HOUR], ids=["set back", "set forward"])


def shift_all(model, field: str, shift: timedelta) -> None:
    model.objects.update(**{field: F(field) + shift})


@BOTH_WAYS
def test_an_active_key_is_not_refused(shift):
    limits = {"key": (60.0, 60.0)}
    for _ in range(10):
        assert buckets.count(["key:1"], limits) == 0
    shift_all(RequestBucket, "at", shift)
    assert buckets.count(["key:1"], limits) == 0
    assert RequestBucket.objects.get().level <= 11
    assert buckets.count(["key:1"], limits) == 0


def test_a_bucket_that_is_full_leaks_at_its_rate_after_the_clock_was_set_back():
    limits = {"key": (60.0, 2.0)}
    while not buckets.count(["key:1"], limits):
        pass
    shift_all(RequestBucket, "at", HOUR)
    assert 1 <= buckets.count(["key:1"], limits) <= 2


@BOTH_WAYS
def test_a_dead_worker_does_not_come_to_life_and_a_living_one_is_seen_at_its_next_beat(shift):
    worker = queue.register_worker(host="a", process_id=1)
    shift_all(Worker, "last_seen_at", shift)
    assert not Worker.objects.alive().exists()
    queue.record_heartbeat(worker_id=worker.pk)
    assert list(Worker.objects.alive()) in ([worker], []), "one that was deleted registers again"


def test_what_is_done_after_the_clock_was_put_right_can_be_written_down(monkeypatch):
    """It was two hours ahead for a while. What the database refuses is an event that is not of its own time."""
    true = time.time_ns
    monkeypatch.setattr(uuid6, "_last_v7_timestamp", None)  # what follows is undone after the test
    monkeypatch.setattr(time, "time_ns", lambda: true() + 2 * 3600 * 10**9)
    uuid6.uuid7()
    with pytest.raises(DatabaseError, match="no event of another time"), transaction.atomic():
        audit.record(actor=system_actor(), action="test")
    monkeypatch.setattr(time, "time_ns", true)
    first, *others = (audit.record(actor=system_actor(), action="test").pk for _ in range(50))
    assert [first, *others] == sorted({first, *others}) and first.version == 7
    assert abs((first.int >> 80) - true() // 10**6) < 60_000


def test_a_living_worker_keeps_its_photo_and_a_dead_ones_is_free_after_one_lease():
    """The clock is set back: neither at once, nor only in an hour."""
    values = {"pack": "dlib-resnet", "photo": b"photo", "photo_sha256": "0" * 64}
    row = RecognitionRequest.objects.create(gallery=GalleryFactory(), requested_as=system_actor().as_record(), **values)
    token = queue.claim(limit=1).token
    shift_all(RecognitionRequest, "lease_expires_at", HOUR)
    assert queue.release_expired() == 0
    row.refresh_from_db()
    assert row.status == "running" and row.lease_expires_at < timezone.now() + timedelta(minutes=2)
    queue.extend_lease(token=token)
    assert queue.release_expired() == 0
    shift_all(RecognitionRequest, "lease_expires_at", -HOUR)
    assert queue.release_expired() == 1


@pytest.mark.parametrize(("shift", "free"), [(timedelta(0), False), (HOUR, True), (-HOUR, True)])
def test_an_import_and_a_report_can_be_taken_over_from_a_dead_process(shift, free):
    gallery = GalleryFactory()
    lease = timezone.now() + timedelta(seconds=30) + shift
    values = {"status": "running", "runner": uuid6.uuid7(), "lease_expires_at": lease}
    job = Import.objects.create(gallery=gallery, name="x.zip", requested_as=system_actor().as_record(), **values)
    assert Import.objects.claimable().filter(pk=job.pk).exists() == free
    report = HealthReport.objects.create(gallery=gallery, **values)
    assert report.interrupted == free
    assert reports._claim(HealthReport, gallery.pk, uuid6.uuid7()) == free
