"""What one photo may cost a worker: real worker processes under a limit of memory, and with photos that take too long."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection
from factories import GalleryFactory
from PIL import Image

from accounts.actor import system_actor
from faceplatform.errors import Unavailable
from recognition.lab.bench.attack.photos import scan_bomb
from recognition.photos.decode_watch import DecodeWatch
from recognition.photos.models import RecognitionRequest, Worker
from recognition.photos.services import Photo, raise_if_failed, submit_recognition
from recognition.photos.worker import STUCK

SCRIPT = Path(__file__).with_name("worker_with_limits.py")
pytestmark = pytest.mark.django_db(transaction=True)
STEADY = {"MALLOC_ARENA_MAX": "1"}  # else what a thread reserves for itself decides who meets the limit first


def submit(gallery, data: bytes) -> RecognitionRequest:
    photo = Photo("photo.jpg", data)
    return submit_recognition(actor=system_actor(), gallery=gallery, photo=photo, needs_worker=False)


def run_until_it_ends(limit: str) -> int:
    """Runs a worker until it ends by itself; returns its exit status."""
    command = [sys.executable, str(SCRIPT), connection.settings_dict["NAME"], limit]
    return subprocess.run(command, timeout=300, capture_output=True, env=os.environ | STEADY, check=False).returncode


def states() -> list[tuple[str, int]]:
    return list(RecognitionRequest.objects.order_by("id").values_list("status", "attempts"))


def test_lack_of_memory_is_not_the_photos_fault(pack_dir, hopper):
    """A photo that needs more memory than there is ends its worker, is tried three times, and is answered with 503."""
    gallery = GalleryFactory()
    out = io.BytesIO()
    Image.new("RGB", (6300, 6300)).save(out, "PNG", compress_level=1)
    small, large, other = (submit(gallery, data) for data in (hopper, out.getvalue(), hopper))
    assert run_until_it_ends("memory") == 1
    assert states() == [("done", 1), ("queued", 1), ("queued", 0)], "the others lose no attempt"
    assert not Worker.objects.exists(), "it does not stay behind as if it were alive"
    for _ in range(2):
        assert run_until_it_ends("memory") == 1
    large.refresh_from_db()
    assert (large.status, large.attempts, large.error_code) == ("failed", 3, "out_of_memory")
    with pytest.raises(Unavailable, match="enough memory") as raised:
        raise_if_failed(large)
    assert raised.value.status == 503
    assert {row.status for row in RecognitionRequest.objects.filter(pk__in=[small.pk, other.pk])} <= {"done", "queued"}


def test_a_photo_that_takes_too_long_fails_alone_and_its_worker_starts_anew(pack_dir, hopper, monkeypatch):
    """The limit on scans is off, as for a trick that nobody has thought of yet."""
    monkeypatch.setattr("recognition.engine.jpeg.MAX_SCANS", 10**12)
    monkeypatch.setattr("recognition.engine.jpeg.MAX_SCANNED_PIXELS", 10**12)
    gallery = GalleryFactory()
    for data in (hopper, scan_bomb(3000), hopper):
        submit(gallery, data)
    assert run_until_it_ends("decoding") == STUCK
    assert states() == [("queued", 0), ("failed", 1), ("queued", 0)], "the others lose no attempt"
    slow = RecognitionRequest.objects.get(status="failed")
    assert slow.error_code == "invalid_image"
    assert "of computing to decode" in slow.error_message
    assert not Worker.objects.exists()


def test_a_photo_is_overdue_only_while_it_is_being_decoded(monkeypatch):
    row = RecognitionRequest()
    watch = DecodeWatch([row])
    assert watch.overdue() is None
    with watch.decoding(0):
        assert watch.overdue() is None
        monkeypatch.setattr("recognition.photos.decode_watch.LONGEST_DECODE", -1.0)
        assert watch.overdue() is row
    assert watch.overdue() is None


def test_a_worker_that_is_stuck_is_not_vouched_for(worker, hopper, monkeypatch):
    row = submit(GalleryFactory(), hopper)
    with worker.registered():
        Worker.objects.update(last_seen_at="2000-01-01T00:00Z")
        worker._token = row.pk  # any: it holds a batch
        worker._token_since = -1e6
        worker._beat(worker.worker_id)
        assert not Worker.objects.alive().exists()
        worker._token = None
        worker._beat(worker.worker_id)
        assert Worker.objects.alive().exists()
