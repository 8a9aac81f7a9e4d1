import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from django.db import connection
from django.db.models import prefetch_related_objects
from django.db.models.functions import Now
from factories import GalleryFactory, IdentityFactory, member

from accounts.actor import system_actor
from accounts.models import AuditEvent
from accounts.roles import Role
from recognition.analysis.representation import embedding_as_dict
from recognition.analysis.services import embed_faces
from recognition.engine.pipeline import Pipeline
from recognition.photos import queue
from recognition.photos.models import Purpose, RecognitionRequest, Status
from recognition.photos.page_context import result_of
from recognition.photos.representation import recognition_as_dict
from recognition.photos.results import decisions
from recognition.photos.services import Photo, submit_enrolment, submit_recognition

SCRIPT = Path(__file__).with_name("worker_that_dies.py")
ACTOR = system_actor()


def submit(gallery, data: bytes, name: str = "photo.jpg") -> RecognitionRequest:
    return submit_recognition(actor=ACTOR, gallery=gallery, photo=Photo(name, data), needs_worker=False)


def start_worker(stdout: int = subprocess.DEVNULL) -> subprocess.Popen:
    command = [sys.executable, str(SCRIPT), connection.settings_dict["NAME"]]
    return subprocess.Popen(command, stdout=stdout, stderr=subprocess.DEVNULL, text=True)


def wait_for(condition, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def statuses() -> list[str]:
    return list(RecognitionRequest.objects.order_by("id").values_list("status", flat=True))


@pytest.mark.django_db
def test_recognises_a_batch(worker, hopper, hopper_again, collins, no_face):
    gallery = GalleryFactory()
    grace = IdentityFactory(gallery=gallery, name="Grace Hopper")
    submit_enrolment(actor=ACTOR, identity=grace, photos=[Photo("hopper.jpg", hopper)], needs_worker=False)
    assert worker.run_once() == 1
    rows = [submit(gallery, data) for data in (hopper_again, collins, no_face)]
    assert worker.run_once() == 3
    known, unknown, empty = (RecognitionRequest.objects.with_results().get(pk=row.pk) for row in rows)
    assert [(face.decision, face.identity) for face in known.faces.all()] == [("known", grace)]
    assert [(face.decision, face.identity) for face in unknown.faces.all()] == [("unknown", None)]
    assert list(empty.faces.all()) == []
    assert {row.status for row in (known, unknown, empty)} == {Status.DONE}
    assert known.photo is None
    assert set(known.timings_ms) == {"queued", "decode", "detect", "embed", "search", "total"}
    grace.refresh_from_db()
    assert grace.last_recognized_at is not None
    answered = AuditEvent.objects.filter(action="recognition.answered").order_by("id")[0]
    assert answered.details == {"known": 1, "unknown": 0, "unusable": 0, "identities": [str(grace.pk)]}


@pytest.mark.django_db
def test_a_request_read_before_its_end_is_shown_without_faces_written_since(worker, living_worker, hopper):
    gallery = GalleryFactory()
    asked = submit(gallery, hopper)
    embed_faces(actor=ACTOR, gallery=gallery, photo=Photo("hopper.jpg", hopper))
    recognitions = RecognitionRequest.objects.with_results()
    analyses = RecognitionRequest.objects.analyses(Purpose.EMBED)
    early = [rows.prefetch_related(None).get() for rows in (recognitions.filter(pk=asked.pk), analyses)]
    worker.run_once()
    for rows, row in zip((recognitions, analyses), early, strict=True):
        prefetch_related_objects([row], *rows._prefetch_related_lookups)
    assert len(early[0].faces.all()) == len(early[1].faces.all()) == 1
    assert (recognition_as_dict(early[0])["status"], recognition_as_dict(early[0])["faces"]) == ("queued", [])
    assert result_of(early[0])["picture"] is None
    assert embedding_as_dict(early[1])["faces"] == []


@pytest.mark.django_db
def test_the_engine_failing_on_one_photo_fails_that_one_alone(worker, hopper, collins, monkeypatch):
    gallery = GalleryFactory()
    analyse = Pipeline.analyse

    def stumbling(self, photos, **options):
        if collins in photos:
            raise RuntimeError("the net exploded")
        return analyse(self, photos, **options)

    monkeypatch.setattr(Pipeline, "analyse", stumbling)
    good, bad = submit(gallery, hopper), submit(gallery, collins)
    worker.run_once()
    assert statuses() == ["done", "queued"], "it is the server's fault: the photo is tried again"
    worker.run_once()
    worker.run_once()
    good.refresh_from_db()
    bad.refresh_from_db()
    assert (good.status, bad.status, bad.error_code) == (Status.DONE, Status.FAILED, "engine_error")
    assert (bad.attempts, "RuntimeError" in bad.error_message) == (3, True)


@pytest.mark.django_db
def test_a_result_after_the_lease_was_lost_is_thrown_away(worker, hopper):
    row = submit(GalleryFactory(), hopper)
    claim = queue.claim(limit=1)
    RecognitionRequest.objects.update(status="queued", claim_token=None, lease_expires_at=None)
    other = queue.claim(limit=1)
    worker.process(claim)
    row.refresh_from_db()
    assert (row.status, row.claim_token, row.faces.count()) == (Status.RUNNING, other.token, 0)


@pytest.mark.django_db
def test_a_request_deleted_meanwhile_does_no_harm(worker, hopper):
    row = submit(GalleryFactory(), hopper)
    claim = queue.claim(limit=1)
    row.delete()
    worker.process(claim)
    assert RecognitionRequest.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_a_person_deleted_between_search_and_result_is_searched_for_again(worker, hopper, collins, monkeypatch):
    gallery = GalleryFactory()
    grace = IdentityFactory(gallery=gallery)
    submit_enrolment(actor=ACTOR, identity=grace, photos=[Photo("a.jpg", hopper)], needs_worker=False)
    worker.run_once()
    search = decisions.nearest_identities

    def search_then_delete(**values):
        found = search(**values)
        grace.delete()
        monkeypatch.setattr(decisions, "nearest_identities", search)
        return found

    monkeypatch.setattr(decisions, "nearest_identities", search_then_delete)
    rows = [submit(gallery, hopper), submit(gallery, collins)]
    worker.run_once()
    assert statuses() == ["done", "done"]
    assert [(face.decision, face.identity) for row in rows for face in row.faces.all()] == [("unknown", None)] * 2


@pytest.mark.django_db(transaction=True)
def test_a_person_deleted_every_time_leaves_the_request_to_a_later_attempt(worker, hopper, monkeypatch):
    gallery = GalleryFactory()
    submit_enrolment(
        actor=ACTOR, identity=IdentityFactory(gallery=gallery), photos=[Photo("a.jpg", hopper)], needs_worker=False
    )
    worker.run_once()
    search = decisions.nearest_identities
    [[match]] = search(gallery_id=gallery.pk, pack=gallery.pack, probes=np.zeros((1, 128), "float32"), top_k=1)
    deleted = replace(match, identity_id=uuid4(), distance=0.1)
    monkeypatch.setattr(decisions, "nearest_identities", lambda **values: [[deleted]])
    row = submit(gallery, hopper)
    worker.run_once()
    assert statuses() == ["done", "queued"] and row.faces.count() == 0
    monkeypatch.setattr(decisions, "nearest_identities", search)
    worker.run_once()
    assert [face.decision for face in row.faces.all()] == ["known"]


@pytest.mark.django_db
def test_the_number_of_statements_does_not_grow_with_the_claim(
    worker, hopper, collins, both, django_assert_max_num_queries
):
    gallery = GalleryFactory()
    for data in (hopper, collins, both, hopper, collins, both):
        submit(gallery, data)
    with django_assert_max_num_queries(20):
        assert worker.run_once() == 6
    assert statuses() == ["done"] * 6
    assert AuditEvent.objects.filter(action="recognition.answered").count() == 6


@pytest.mark.django_db
def test_a_deleted_account_does_not_affect_the_others_of_a_claim(worker, hopper, collins):
    gallery = GalleryFactory()
    viewer = member(gallery, Role.VIEWER)
    orphan = submit_recognition(actor=viewer, gallery=gallery, photo=Photo("a.jpg", hopper), needs_worker=False)
    other = submit(gallery, collins)
    viewer.user.delete()
    worker.run_once()
    orphan.refresh_from_db()
    other.refresh_from_db()
    assert (orphan.status, orphan.error_code, orphan.faces.count()) == (Status.FAILED, "not_allowed", 0)
    assert (other.status, other.faces.count()) == (Status.DONE, 1)


@pytest.mark.django_db
def test_only_requests_that_are_still_held_are_written(worker, hopper, collins):
    gallery = GalleryFactory()
    lost, kept = submit(gallery, hopper), submit(gallery, collins)
    claim = queue.claim(limit=2)
    RecognitionRequest.objects.filter(pk=lost.pk).update(claim_token=uuid4())
    worker.process(claim)
    lost.refresh_from_db()
    kept.refresh_from_db()
    assert (lost.status, lost.faces.count()) == (Status.RUNNING, 0)
    assert (kept.status, kept.faces.count()) == (Status.DONE, 1)
    assert AuditEvent.objects.filter(action="recognition.answered").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_poison_photo_is_given_up_and_takes_no_other_with_it(pack_dir, hopper, settings):
    settings.LEASE_SECONDS = 2
    gallery = GalleryFactory()
    rows = [submit(gallery, hopper), submit(gallery, hopper + b"POISON"), submit(gallery, hopper)]
    deaths = 0
    worker = start_worker()
    try:
        deadline = time.monotonic() + 300
        while set(statuses()) & {"queued", "running"}:
            assert time.monotonic() < deadline, statuses()
            if worker.poll() is not None:
                deaths += 1
                worker = start_worker()
            time.sleep(0.1)
    finally:
        worker.kill()
        worker.wait()
    assert statuses() == ["done", "failed", "done"]
    poison = RecognitionRequest.objects.get(pk=rows[1].pk)
    assert (poison.error_code, poison.attempts, deaths) == ("worker_lost", 3, 3)


@pytest.mark.django_db(transaction=True)
def test_killing_a_worker_in_mid_batch_loses_nothing(pack_dir, hopper, worker, settings):
    settings.LEASE_SECONDS = 2
    gallery = GalleryFactory()
    rows = [submit(gallery, hopper + b"SLOW") for _ in range(4)]
    with start_worker(stdout=subprocess.PIPE) as victim:
        assert victim.stdout.readline() == "working\n"
        victim.kill()
    assert statuses() == ["running"] * 4
    stop = threading.Event()
    other = threading.Thread(target=worker.run, args=(stop,))
    other.start()
    try:
        wait_for(lambda: statuses() == ["done"] * 4)
    finally:
        stop.set()
        other.join()
    assert [row.faces.count() for row in rows] == [1] * 4


@pytest.mark.django_db(transaction=True)
def test_a_waiting_caller_is_woken_by_the_worker(worker, hopper):
    row = submit(GalleryFactory(), hopper)
    stop = threading.Event()
    running = threading.Thread(target=worker.run, args=(stop,))
    running.start()
    try:
        with closing(queue.arrival_of([row.pk])) as arrival:
            assert arrival.wait(30)
    finally:
        stop.set()
        running.join()
    row.refresh_from_db()
    assert row.status == Status.DONE


@pytest.mark.django_db(transaction=True)
def test_a_worker_survives_a_lost_database_connection(worker, hopper):
    stop = threading.Event()
    running = threading.Thread(target=worker.run, args=(stop,))
    running.start()
    try:
        wait_for(lambda: queue.Worker.objects.alive().exists())
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid()"
            )
        row = submit(GalleryFactory(), hopper)
        wait_for(lambda: RecognitionRequest.objects.get(pk=row.pk).status == Status.DONE)
        assert running.is_alive()
    finally:
        stop.set()
        running.join()


@pytest.mark.django_db(transaction=True)
def test_a_worker_whose_row_was_deleted_registers_again(running_worker, hopper):
    """It was suspended for over an hour, so another one took it for dead."""
    me = running_worker.worker_id
    queue.unregister_worker(worker_id=me)
    wait_for(lambda: queue.Worker.objects.alive().filter(pk=me, engine__has_key="dlib-resnet").exists())
    row = submit(GalleryFactory(), hopper)
    wait_for(lambda: RecognitionRequest.objects.get(pk=row.pk).status == Status.DONE)


@pytest.mark.django_db
def test_the_heartbeat_says_whether_the_row_is_there(living_worker):
    assert queue.record_heartbeat(worker_id=living_worker.pk)
    queue.Worker.objects.update(last_seen_at=Now() - timedelta(hours=2))
    assert not queue.record_heartbeat(worker_id=uuid4())  # of another worker, which deletes the row
    assert not queue.record_heartbeat(worker_id=living_worker.pk)


@pytest.mark.django_db
def test_waiting_without_a_worker_ends_at_the_deadline(hopper):
    row = submit(GalleryFactory(), hopper)
    with closing(queue.arrival_of([row.pk])) as arrival:
        assert not arrival.wait(0)
