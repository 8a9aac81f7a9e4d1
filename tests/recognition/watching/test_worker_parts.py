"""A camera worker that dies under its supervisor: its cameras do not wait for the lease."""

import os
import sys
import threading
import time
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.conf import settings as settings_now
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone
from factories import GalleryFactory
from video_files import scene, write_video
from watched import camera

from faceplatform.processes.supervisor import Supervisor
from recognition.cameras import claims
from recognition.cameras.models import CameraState
from recognition.photos.worker_parts import release_claims
from recognition.watching.worker_parts import camera_parts

WORKER = """
import os, sys, threading
from uuid import UUID
import django
django.setup()
from django.conf import settings
from pathlib import Path
settings.DATABASES["default"]["NAME"], settings.CAMERA_FOLDER = sys.argv[1], Path(sys.argv[2])
from recognition.watching.worker import CameraWorker
CameraWorker(settings.MODELS_DIR, given_id=UUID(sys.argv[4])).run(threading.Event())
"""


def wait_for(condition, seconds: float = 90) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "waited in vain"
        time.sleep(0.05)
    return time.monotonic() - began


@contextmanager
def supervised(parts):
    made = Supervisor(parts, say=lambda text: None, ended=release_claims)
    thread = threading.Thread(target=made.run)
    thread.start()
    try:
        yield
    finally:
        made.stop()
        thread.join()


@pytest.mark.django_db(transaction=True)
def test_cameras_of_a_killed_worker_are_free_long_before_their_lease_ends(tmp_path, monkeypatch, pack_dir):
    monkeypatch.setitem(os.environ, "DJANGO_SETTINGS_MODULE", "faceplatform.settings")
    monkeypatch.setitem(os.environ, "PYTHONPATH", str(settings_now.BASE_DIR))
    write_video(tmp_path / "hall.mp4", scene([], seconds=5))
    entrance = camera(GalleryFactory(), "hall.mp4", repeats=True)
    [part] = camera_parts([1])
    part.command = [sys.executable, "-c", WORKER, connection.settings_dict["NAME"], str(tmp_path)]
    part.pause = 3600.0  # it does not come back itself
    state = CameraState.objects.filter(camera=entrance)
    with supervised([part]):
        wait_for(lambda: state.filter(status="live", opening=False).exists())
        assert state.get().claimed_by == part.worker_id
        part.process.kill()
        assert wait_for(lambda: state.filter(claim_token=None).exists()) < claims.LEASE.total_seconds() / 2
    assert (state.get().status, state.get().lease_expires_at) == ("waiting", None)


@pytest.mark.django_db
def test_a_camera_whose_opening_may_have_killed_its_worker_stays_suspicious():
    good, bad, other = (camera(GalleryFactory(), "hall.mp4", slug=name) for name in ("good", "bad", "other"))
    [first] = camera_parts([1])
    first.next_command()
    claimed = claims.claim(worker=first.worker_id, packs=["dlib-resnet"], limit=3, alone=True)
    assert len(claimed) == 3
    CameraState.objects.filter(camera=good).update(opening=False)
    CameraState.objects.filter(camera=other).update(claimed_by=None, opening=False)
    assert first.release(first.worker_id) == 2
    [second] = camera_parts([2])
    second.next_command()
    again = claims.claim(worker=second.worker_id, packs=["dlib-resnet"], limit=3, alone=True)
    assert [claim.camera for claim in again] == [good]
    assert CameraState.objects.get(camera=bad).lease_expires_at <= timezone.now()
    assert CameraState.objects.get(camera=other).lease_expires_at > timezone.now()  # not this worker's
    CameraState.objects.filter(camera=bad).update(lease_expires_at=Now() - claims.SUSPICIOUS - timedelta(seconds=1))
    later = claims.claim(worker=second.worker_id, packs=["dlib-resnet"], limit=3, alone=True)
    assert [claim.camera for claim in later] == [bad]
