from datetime import timedelta

import pytest
import uuid6
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models.expressions import RawSQL
from django.utils import timezone
from factories import GalleryFactory, IdentityFactory

from accounts.actor import system_actor
from recognition.photos import queue
from recognition.photos.models import Priority, RecognitionRequest, Status, Worker

pytestmark = pytest.mark.django_db


def request(gallery=None, **values) -> RecognitionRequest:
    values = {"pack": "dlib-resnet", "photo": b"photo", "photo_sha256": "0" * 64} | values
    values["requested_as"] = system_actor().as_record()
    return RecognitionRequest.objects.create(gallery=gallery or GalleryFactory(), **values)


def expire(row) -> None:
    past = timezone.now() - timedelta(seconds=1)
    RecognitionRequest.objects.filter(pk=row.pk).update(lease_expires_at=past)


def reloaded(row) -> RecognitionRequest:
    return RecognitionRequest.objects.get(pk=row.pk)


def claimed(limit=8, **options) -> list:
    claim = queue.claim(limit=limit, **options)
    return [row.pk for row in claim.requests] if claim else []


def test_interactive_before_bulk_then_oldest_first():
    bulk, first, second = request(priority=Priority.BULK), request(), request()
    assert claimed(limit=2) == [first.pk, second.pk]
    assert claimed() == [bulk.pk]
    assert claimed() == []


def test_a_claim_marks_the_rows_and_counts_the_attempt():
    row = request()
    claim = queue.claim(limit=1)
    found = reloaded(row)
    assert (found.status, found.attempts, found.claim_token) == (Status.RUNNING, 1, claim.token)
    left = found.lease_expires_at - timezone.now()
    assert timedelta(0) < left <= timedelta(seconds=settings.LEASE_SECONDS)


def test_a_claim_has_one_pack():
    first, other = request(), request(pack="other")
    assert claimed() == [first.pk]
    assert claimed() == [other.pk]


@pytest.mark.parametrize(
    ("sizes", "claims"),
    [
        ([3, 3, 4, 1], [3, 1]),  # together 10 at most
        ([11, 1, 1], [1, 2]),  # the first is taken however large it is, then alone
        ([1, 11, 1], [1, 1, 1]),  # one that does not fit is not overtaken
        ([5, 5], [2]),
    ],
)
def test_the_photos_of_a_claim_are_bounded_by_their_bytes(sizes, claims):
    """Also those that PostgreSQL compresses or stores beside the row."""
    unit = 4096
    rows = [request(photo=bytes(size * unit)) for size in sizes]
    taken = [claimed(most_bytes=10 * unit) for _ in claims]
    assert [len(ids) for ids in taken] == claims
    assert [pk for ids in taken for pk in ids] == [row.pk for row in rows]
    assert claimed() == []


def test_a_worker_claims_as_many_small_photos_as_before_but_large_ones_singly():
    def queued(*mebibytes: int) -> None:
        for size in mebibytes:
            rows = RecognitionRequest.objects.filter(pk=request().pk)
            rows.update(photo=RawSQL("convert_to(repeat('x', %s), 'UTF8')", [size * 2**20]))

    queued(20, 20, 1)
    assert [len(claimed()) for _ in range(2)] == [1, 2]
    queued(*[3] * 9)
    assert [len(claimed()) for _ in range(2)] == [8, 1]


@pytest.mark.django_db(transaction=True)
def test_who_looked_while_photos_that_did_not_fit_were_locked_is_woken():
    for _ in range(4):
        request(photo=bytes(10))
    with connection.cursor() as cursor:
        cursor.execute(f"LISTEN {queue.QUEUED}")
    assert len(claimed(limit=2)) == 2
    assert not list(connection.connection.notifies(timeout=0)), "all that were locked are claimed"
    assert len(claimed(most_bytes=10)) == 1
    assert len(list(connection.connection.notifies(timeout=10, stop_after=1))) == 1


def test_a_claim_can_be_limited_to_given_requests():
    request()
    mine = request()
    assert claimed(only=[mine.pk]) == [mine.pk]
    assert claimed(only=[mine.pk]) == []


def test_a_request_claimed_before_is_claimed_alone():
    """It may be what killed its worker, so it must not take others down with it."""
    rows = [request() for _ in range(3)]
    queue.claim(limit=8)
    for row in rows:
        expire(row)
    assert queue.release_expired() == 3
    assert [claimed() for _ in range(4)] == [[rows[0].pk], [rows[1].pk], [rows[2].pk], []]


def test_a_retried_request_is_not_claimed_with_fresh_ones():
    old = request()
    queue.claim(limit=8)
    fresh = request()
    expire(old)
    queue.release_expired()
    assert claimed() == [old.pk]
    assert claimed() == [fresh.pk]


def test_a_running_lease_is_not_released():
    request()
    queue.claim(limit=8)
    assert queue.release_expired() == 0


def test_a_request_fails_with_the_reason_after_its_attempts():
    row = request()
    for _ in range(settings.MAX_ATTEMPTS):
        assert claimed() == [row.pk]
        expire(row)
        queue.release_expired()
    found = reloaded(row)
    assert (found.status, found.error_code, found.photo) == (Status.FAILED, "worker_lost", None)
    assert "3 times" in found.error_message
    assert claimed() == []


def test_a_photo_to_be_kept_stays_when_its_request_fails():
    row = request(keep_photo=True)
    for _ in range(settings.MAX_ATTEMPTS):
        claimed()
        expire(row)
        queue.release_expired()
    assert bytes(reloaded(row).photo) == b"photo"


def test_what_a_dead_worker_had_claimed_is_free_at_once():
    """Its supervisor saw it die; another worker's claim is left alone."""
    dead, other = (queue.register_worker(host="here", process_id=number) for number in (1, 2))
    lost, kept = request(), request()
    queue.claim(limit=1, worker_id=dead.pk)
    queue.claim(limit=1, worker_id=other.pk)
    assert queue.worker_died(worker_id=dead.pk) == 1
    assert [reloaded(row).status for row in (lost, kept)] == [Status.QUEUED, Status.RUNNING]
    assert list(Worker.objects.alive()) == [other]
    assert claimed() == [lost.pk]
    assert reloaded(lost).attempts == 2


def test_a_photo_that_kills_its_workers_is_given_up_however_soon_each_death_is_seen():
    row = request()
    for number in range(settings.MAX_ATTEMPTS):
        worker = queue.register_worker(host="here", process_id=number)
        assert queue.claim(limit=1, worker_id=worker.pk).requests == [row]
        queue.worker_died(worker_id=worker.pk)
    assert (reloaded(row).status, reloaded(row).error_code) == (Status.FAILED, "worker_lost")


def test_a_worker_that_registers_again_keeps_its_name():
    name = uuid6.uuid7()
    queue.register_worker(host="here", process_id=1, worker_id=name)
    Worker.objects.update(last_seen_at=timezone.now() - timedelta(minutes=1))
    queue.register_worker(host="here", process_id=1, worker_id=name, engine={"pack": {}})
    assert Worker.objects.alive().get().pk == name
    assert Worker.objects.get().engine == {"pack": {}}


def test_only_the_holder_of_the_token_may_write():
    row = request()
    first = queue.claim(limit=1)
    expire(row)
    queue.release_expired()
    second = queue.claim(limit=1)
    with transaction.atomic():
        assert not queue.hold(ids=[row.pk], token=first.token)
        assert queue.hold(ids=[row.pk], token=second.token) == {row.pk}
        assert not queue.hold(ids=[row.pk], token=uuid6.uuid7())


def test_only_a_waiting_photo_that_is_no_enrolment_is_abandoned():
    running = request()
    assert claimed() == [running.pk]
    waiting = request(keep_photo=True)
    person = IdentityFactory(gallery=waiting.gallery)
    enrolment = request(purpose="enrol", identity=person, gallery=person.gallery)
    queue.abandon([running.pk, waiting.pk, enrolment.pk])
    assert [reloaded(row).status for row in (running, waiting, enrolment)] == ["running", "failed", "queued"]
    assert bytes(reloaded(waiting).photo) == b"photo", "it was to be kept"


def test_a_heartbeat_renews_only_the_lease_of_its_claim():
    mine, other = request(), request()
    claim = queue.claim(limit=1)
    queue.claim(limit=1)
    expire(mine)
    expire(other)
    queue.extend_lease(token=claim.token)
    assert reloaded(mine).lease_expires_at > timezone.now() > reloaded(other).lease_expires_at


def test_workers_with_a_recent_heartbeat_are_alive():
    fresh = queue.register_worker(host="a", process_id=1)
    stale = queue.register_worker(host="b", process_id=2)
    Worker.objects.filter(pk=stale.pk).update(last_seen_at=timezone.now() - timedelta(seconds=16))
    assert list(Worker.objects.alive()) == [fresh]
    queue.record_heartbeat(worker_id=stale.pk)
    assert Worker.objects.alive().count() == 2
    queue.unregister_worker(worker_id=fresh.pk)
    assert list(Worker.objects.alive()) == [stale]


def test_an_enrolment_is_for_somebody_of_its_gallery():
    with pytest.raises(IntegrityError, match="request_same_gallery"), transaction.atomic():
        request(purpose="enrol", identity=IdentityFactory())
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.mark.parametrize(
    "values",
    [
        {"status": "running"},
        {"status": "done"},
        {"photo": None},
        {"status": "failed", "finished_at": timezone.now()},
        {"claim_token": uuid6.uuid7(), "lease_expires_at": timezone.now()},
        {"status": "lost"},
        {"purpose": "enrol"},
    ],
)
def test_the_database_refuses_impossible_rows(values):
    with pytest.raises(IntegrityError), transaction.atomic():
        request(**values)
