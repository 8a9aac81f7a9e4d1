from datetime import timedelta
from unittest.mock import patch
from uuid import uuid4

import pytest
from django.db import OperationalError, connection
from django.db.models.functions import Now
from django.utils import timezone
from factories import GalleryFactory, member
from minifas_files import FAKE
from watched import camera, walker, watch

from accounts.actor import system_actor
from accounts.roles import Role
from gallery.models import Gallery
from recognition.cameras import claims, live
from recognition.cameras.models import (
    Camera,
    CameraState,
    IncomingFrame,
    LiveFrame,
    LivePeriod,
    Sighting,
    UnknownPerson,
)
from recognition.photos import thresholds
from recognition.photos.models import RecognitionRequest, Worker
from recognition.photos.queue import record_heartbeat, record_packs, register_worker
from recognition.photos.services import Photo, submit_recognition
from recognition.sightings.writing import SightingWriter
from recognition.video.reader import Reader
from recognition.watching import incoming
from recognition.watching import worker as worker_module
from recognition.watching.pressure import Pressure

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def brisk(monkeypatch):
    """Signs of life follow each other quickly, so that tests need not wait for them."""
    monkeypatch.setattr(worker_module, "BEAT", 0.3)
    monkeypatch.setattr(worker_module, "CLAIM_EVERY", 0.3)
    monkeypatch.setattr(worker_module, "TIDY_EVERY", 3600)  # VACUUM does not run in a test's transaction


def ended(*cameras) -> bool:
    return CameraState.objects.filter(camera__in=cameras, status="ended").count() == len(cameras)


def status(camera) -> str | None:
    return CameraState.objects.filter(camera=camera).values_list("status", flat=True).first()


def test_who_is_enrolled_gets_a_name_and_a_stranger_a_number(hall, grace, hopper_again, collins, film, watcher):
    entrance = camera(hall, film([walker(hopper_again, 0.2, 2.5), walker(collins, 4.5, 7, height=420)], 8))
    watch(watcher, lambda: ended(entrance))
    first, second = Sighting.objects.order_by("first_seen")
    assert (first.decision, first.identity, first.closed) == ("known", grace, True)
    assert first.distance < first.threshold and first.frames >= 3
    assert (second.decision, second.identity) == ("unknown", None)
    assert second.unknown == UnknownPerson.objects.get()
    assert 1 <= first.faces.count() <= 3 and first.embeddings.get().pack == "dlib-resnet"
    assert second.last_seen > second.first_seen > first.last_seen
    assert timezone.now() - LivePeriod.objects.get().began_at > second.last_seen - first.first_seen
    assert bytes(LiveFrame.objects.get().jpeg).startswith(b"\xff\xd8")


def test_a_picture_held_up_to_the_camera_is_said_or_refused(
    hall, grace, hopper_again, film, watcher, takes_for, client
):
    """Two galleries see the same, through nets that take every face for a picture."""
    takes_for(FAKE)
    name, gate = film([walker(hopper_again, 0.2, 2.5)], 4), GalleryFactory(name="Gate", liveness="refuse")
    Gallery.objects.filter(pk=hall.pk).update(liveness="hint")
    told, refused = camera(hall, name), camera(gate, name)
    watch(watcher, lambda: ended(told, refused))
    hint = Sighting.objects.filter(camera=told).latest("first_seen")
    assert hint.reason != "presentation_attack"
    assert all(face.liveness < 0.5 for face in hint.faces.all())
    refusals = Sighting.objects.filter(camera=refused).values_list("decision", "reason", "unknown")
    assert set(refusals) == {("unusable", "presentation_attack", None)}

    client.force_login(member(hall, Role.VIEWER).user)
    shown = client.get(f"/api/v1/sightings/{hint.pk}").json()
    assert shown["liveness"]["decision"] == shown["faces"][0]["liveness"]["decision"] == "spoof"
    page = client.get(f"/galleries/{hall.slug}/sightings").content.decode()
    assert "May be a photo or a screen held up to the camera." in page
    assert "may be a picture" in client.get(f"/galleries/{hall.slug}/cameras/{told.pk}/").content.decode()


def test_a_camera_that_cannot_be_read_says_why_and_the_others_go_on(hall, videos, film, watcher):
    missing, good = camera(hall, "nowhere.mp4"), camera(hall, film([], 2), slug="good", fps=2)
    watch(watcher, lambda: ended(good))
    state = CameraState.objects.get(camera=missing)
    assert (state.status, state.reason) == ("offline", "There is no such video file.")
    assert not LivePeriod.objects.filter(camera=missing).exists()
    assert LivePeriod.objects.filter(camera=good).exists()


def test_what_was_not_written_for_want_of_a_database_is_written_later(hall, grace, hopper_again, film, watcher):
    entrance = camera(hall, film([walker(hopper_again, 0, 2.5)], 3))
    write, refused = SightingWriter.write, []

    def flaky(self, events):
        if len(refused) < 3:
            refused.append(events)
            raise OperationalError("gone")
        return write(self, events)

    with patch.object(SightingWriter, "write", flaky):
        watch(watcher, lambda: ended(entrance), raising=OperationalError)
    assert len(refused) == 3
    assert Sighting.objects.get().identity == grace


def test_a_camera_that_another_worker_took_is_left_alone(hall, grace, hopper_again, film, watcher):
    entrance = camera(hall, film([walker(hopper_again, 0, 3)], 4))
    watch(watcher, lambda: Sighting.objects.filter(closed=False).exists())
    CameraState.objects.update(claim_token=uuid4())
    before = CameraState.objects.values().get()
    watch(watcher, lambda: not watcher.runs)
    assert CameraState.objects.values().get() == before
    assert not Sighting.objects.get().closed
    CameraState.objects.update(lease_expires_at=Now() - timedelta(seconds=61))
    watch(watcher, lambda: entrance.pk in watcher.runs)
    assert Sighting.objects.get().closed


def test_a_worker_that_was_frozen_does_not_say_that_it_read_the_camera_meanwhile(hall, film, watcher):
    entrance = camera(hall, film([], 4), repeats=True)
    watch(watcher, lambda: LivePeriod.objects.exists())
    period = watcher.runs[entrance.pk]._period
    period.ended_at = woken = period.ended_at - claims.LEASE - timedelta(seconds=1)  # as if it had been frozen since
    LivePeriod.objects.update(began_at=woken, ended_at=woken)
    watch(watcher, lambda: LivePeriod.objects.count() == 2)
    assert LivePeriod.objects.earliest("began_at").ended_at == woken


def test_switched_off_changed_and_deleted_while_it_runs(hall, film, watcher):
    entrance = camera(hall, film([], 30), fps=2)
    other = film([], 30, "other.mp4")
    watch(watcher, lambda: status(entrance) == "live")
    first = watcher.runs[entrance.pk]
    Camera.objects.update(fps=1, min_face_px=60, name="Side door")
    watch(watcher, lambda: first.camera.name == "Side door")
    assert watcher.runs[entrance.pk] is first and first.rate == 1
    Camera.objects.update(address=other)
    watch(watcher, lambda: watcher.runs.get(entrance.pk, first) is not first)
    Camera.objects.update(enabled=False)
    watch(watcher, lambda: not watcher.runs)
    assert status(entrance) == "disabled"
    Camera.objects.update(enabled=True)
    watch(watcher, lambda: entrance.pk in watcher.runs)
    connection.cursor().execute("SET CONSTRAINTS ALL IMMEDIATE")  # as without a test's transaction
    Camera.objects.all().delete()
    watch(watcher, lambda: not watcher.runs)


def test_cameras_of_a_gallery_that_is_being_deleted_are_not_read(hall, film, watcher):
    camera(hall, film([], 30))
    watch(watcher, lambda: watcher.runs)
    Gallery.objects.update(deletes_at=timezone.now() + timedelta(days=7), deletion={})
    watch(watcher, lambda: not watcher.runs)
    watcher.keep()
    assert not watcher.runs


def test_the_picture_is_newer_for_who_watches(hall, film, watcher):
    camera(hall, film([], 30))
    watch(watcher, lambda: LiveFrame.objects.exists())
    unwatched = LiveFrame.objects.get().seq
    CameraState.objects.update(watched_until=timezone.now() + timedelta(seconds=50))
    watch(watcher, lambda: LiveFrame.objects.get().seq > unwatched + 4)
    Camera.objects.update(live=False)
    watch(watcher, lambda: not watcher.runs[Camera.objects.get().pk].camera.live)
    seq = LiveFrame.objects.get().seq
    for _ in range(20):
        watcher.turn()
    assert LiveFrame.objects.get().seq == seq


def test_a_webcam_whose_pictures_a_browser_posts(hall, grace, hopper_again, watcher):
    desk = camera(hall, "", kind="webcam", min_frames=1)
    watch(watcher, lambda: desk.pk in watcher.runs)
    for seq in range(1, 9):
        values = {"gallery": hall, "seq": seq, "posted_at": timezone.now(), "jpeg": hopper_again}
        IncomingFrame.objects.update_or_create(camera=desk, defaults=values)
        taken = len(watcher.runs[desk.pk]._analysed)
        watch(watcher, lambda taken=taken: len(watcher.runs[desk.pk]._analysed) > taken)
    assert status(desk) == "live"
    assert Sighting.objects.get().identity == grace
    IncomingFrame.objects.update(seq=99, jpeg=b"\xff\xd8 no picture \xff\xd9")
    with patch.object(incoming, "LOST_AFTER", 0):
        watch(watcher, lambda: status(desk) == "offline")
    assert Sighting.objects.get().closed and "browser" in CameraState.objects.get().reason


def test_people_who_wait_for_a_photo_come_first(hall, hopper, watcher):
    watcher.pressure.look()
    assert watcher.pressure.rate(8) == 8
    submit_recognition(actor=system_actor(), gallery=hall, photo=Photo("a.jpg", hopper), needs_worker=False)
    RecognitionRequest.objects.update(created_at=timezone.now() - timedelta(seconds=5))
    pressure = Pressure()
    pressure.look(8)
    assert pressure.rate(8) == 8  # nobody can take it
    worker = register_worker(host="here", process_id=1, packs=["another-pack"])
    pressure._looked = 0
    pressure.look(8)
    assert pressure.rate(8) == 8
    record_packs(worker_id=worker.pk, packs=["dlib-resnet"], faults={})
    Worker.objects.update(last_seen_at=timezone.now() - timedelta(minutes=1))
    pressure._looked = 0
    pressure.look(8)
    assert pressure.rate(8) == 8  # it is dead
    record_heartbeat(worker_id=worker.pk)
    pressure._looked = 0
    pressure.look(8)
    assert pressure.rate(8) == 4
    for _ in range(8):
        pressure._looked = 0
        pressure.look()
    assert pressure.rate(8) == 0.5
    RecognitionRequest.objects.all().delete()
    for _ in range(30):
        pressure._looked = 0
        pressure.look()
    assert pressure.rate(8) == 8


def test_a_small_gallery_is_counted_once_for_all_its_cameras(hall, grace, film, watcher):
    film_name = film([], 30)
    cameras = [camera(hall, film_name, slug=f"camera-{number}") for number in range(3)]
    with patch.object(thresholds, "count_faces", wraps=thresholds.count_faces) as count:
        thresholds._counts.clear()
        watch(watcher, lambda: len(watcher.runs) == len(cameras))
        for run in watcher.runs.values():
            run.change(run.camera)
    assert count.call_count == 1
    before = watcher.runs[cameras[0].pk]._limits().threshold
    with patch.object(thresholds, "count_faces", return_value=1_000) as count:
        assert thresholds.threshold_of(hall).distance < before
    assert count.call_count == 1  # others count anew


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_set_ends_no_sighting(hall, grace, hopper_again, film, watcher, monkeypatch, hours):
    entrance = camera(hall, film([walker(hopper_again, 0, 4)], 5))
    take, begun = Reader.take, []

    def after_the_step(self):
        if not begun:
            begun.extend(Sighting.objects.values_list("first_seen", flat=True))
        frame = take(self)
        if begun and frame:
            frame.taken_at += timedelta(hours=hours)
        return frame

    monkeypatch.setattr(Reader, "take", after_the_step)
    watch(watcher, lambda: ended(entrance))
    row = Sighting.objects.get()
    assert (row.identity, row.closed, row.first_seen) == (grace, True, begun[0])
    assert timedelta(seconds=1.5) < row.last_seen - row.first_seen < timedelta(seconds=6)


def test_who_watched_before_the_clock_was_set_back_watches_no_more(hall, film, watcher):
    entrance = camera(hall, film([], 30))
    watch(watcher, lambda: watcher.runs)
    CameraState.objects.update(watched_until=timezone.now() + timedelta(hours=1))
    watcher._beat()
    assert not watcher.runs[entrance.pk].watched
    live.note_watched(entrance.pk)
    watcher._beat()
    assert watcher.runs[entrance.pk].watched
