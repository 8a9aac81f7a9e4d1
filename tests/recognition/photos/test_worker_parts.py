"""A worker that dies under its supervisor: what it had claimed does not wait for the lease."""

import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import OperationalError, connection
from factories import GalleryFactory

from accounts.actor import system_actor
from faceplatform.processes.supervisor import Part, Supervisor
from recognition.photos import queue, worker_parts
from recognition.photos.models import RecognitionRequest, Worker
from recognition.photos.services import Photo, submit_recognition
from recognition.photos.worker_parts import WorkerPart, release_claims

SCRIPT = Path(__file__).with_name("worker_that_dies.py")
AN_HOUR = "3600"


def wait_for(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@contextmanager
def supervised(part: Part):
    lines: list[str] = []
    made = Supervisor([part], say=lines.append, ended=release_claims)
    thread = threading.Thread(target=made.run)
    thread.start()
    try:
        yield lines
    finally:
        made.stop()
        thread.join()


@pytest.mark.django_db(transaction=True)
def test_claims_of_a_killed_worker_are_free_long_before_their_lease_ends(pack_dir, hopper):
    gallery = GalleryFactory()
    photo = Photo("photo.jpg", hopper + b"SLOW")
    for _ in range(3):
        submit_recognition(actor=system_actor(), gallery=gallery, photo=photo, needs_worker=False)
    part = WorkerPart(
        "worker-1", [sys.executable, str(SCRIPT), connection.settings_dict["NAME"], AN_HOUR], pause=3600.0
    )  # it does not come back itself
    rows = RecognitionRequest.objects.order_by("id")
    with supervised(part) as lines:
        wait_for(lambda: "worker-1 | working" in lines)
        assert list(rows.values_list("status", "claimed_by")) == [("running", part.worker_id)] * 3
        part.process.kill()
        wait_for(lambda: set(rows.values_list("status", flat=True)) == {"queued"})
    assert list(rows.values_list("attempts", "lease_expires_at")) == [(1, None)] * 3
    assert not Worker.objects.exists()


def test_a_supervisor_goes_on_where_the_database_is_away(monkeypatch, caplog):
    def away(*, worker_id):
        raise OperationalError("no route to host")

    monkeypatch.setattr(queue, "worker_died", away)
    part = WorkerPart("worker-1", ["worker"])
    part.next_command()
    worker_parts._release(part.name, part.worker_id, part.release)
    assert "until its lease ends: database_unavailable: OperationalError: no route to host" in caplog.text


def test_each_start_of_a_worker_has_a_name_of_its_own():
    part = WorkerPart("worker-1", ["worker"])
    first = part.next_command()
    assert first == ["worker", "--id", str(part.worker_id)]
    assert part.next_command() != first
