"""Cameras are made, changed and deleted by owners; what is secret stays so."""

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from factories import CameraFactory, GalleryFactory, IdentityFactory, member, stranger, unit
from mjpeg_server import MjpegServer, jpegs
from procrastinate.contrib.django.models import ProcrastinateJob
from seen import sight

from accounts.models import AuditEvent
from accounts.roles import Role
from faceplatform.errors import Conflict, InvalidInput, NotAllowed, TooManyAttempts, Unprocessable
from faceplatform.sealed import CannotOpen
from gallery.models import history_of
from recognition.alerts.models import Alert, AlertRule
from recognition.cameras import services, sources, trying
from recognition.cameras.models import (
    Camera,
    CameraState,
    IncomingFrame,
    Sighting,
    SightingFace,
    UnknownEmbedding,
    UnknownPerson,
)
from recognition.cameras.words import words_of
from recognition.sightings.services import name_unknown
from recognition.sightings.tasks import refresh_unknowns

pytestmark = pytest.mark.django_db
SECRET = "pa/ss#w?rd"
JPEG = jpegs([np.full((48, 64, 3), 90, "uint8")])[0]


@pytest.fixture
def owner():
    return member(GalleryFactory(slug="staff"), Role.OWNER)


@pytest.fixture
def gallery(owner):
    return owner.user.memberships.get().gallery


@pytest.fixture
def door(owner, gallery) -> Camera:
    return services.create_camera(
        actor=owner, gallery=gallery, name="Entrance 1", kind="rtsp", address=f"rtsp://ada:{SECRET}@10.0.0.5/s?t=token"
    )


def stored() -> str:
    """All that the database holds of cameras and their audit, as text."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT string_agg(c::text, ' ') || coalesce((SELECT string_agg(e::text, ' ') FROM accounts_auditevent e), '') "
            "FROM cameras_camera c"
        )
        return cursor.fetchone()[0]


def test_a_pasted_password_is_kept_encrypted_and_never_written_down(owner, door):
    assert (door.address, door.slug) == ("rtsp://10.0.0.5/s?t=token", "entrance-1")
    source = sources.source_of(door)
    assert (source.user, source.password, source.address) == ("ada", SECRET, door.address)
    services.update_camera(actor=owner, camera=door, password="an other", name="Door")
    assert sources.source_of(Camera.objects.get()).password == "an other"
    assert sources.source_of(Camera.objects.get()).user == "ada"
    services.update_camera(actor=owner, camera=door, user="", password="")
    assert Camera.objects.get().credentials == ""
    assert SECRET not in stored() and "an other" not in stored()
    events = list(AuditEvent.objects.order_by("id").values_list("action", "details"))
    assert events == [
        ("camera.created", {"kind": "rtsp", "machine": "rtsp://10.0.0.5"}),
        ("camera.changed", {"name": ["Entrance 1", "Door"], "credentials": "changed"}),
        ("camera.changed", {"credentials": "removed"}),
    ]


def test_a_kept_password_is_not_sent_to_another_machine(owner, door):
    with pytest.raises(InvalidInput, match="Enter the password again"):
        services.update_camera(actor=owner, camera=door, address="rtsp://10.0.0.66/s")
    with pytest.raises(InvalidInput, match="Enter the password again"):
        services.source_to_try(actor=owner, gallery=door.gallery, kind="rtsp", address="rtsp://10.0.0.66/", camera=door)
    door.refresh_from_db()
    assert door.address.startswith("rtsp://10.0.0.5/")
    services.update_camera(actor=owner, camera=door, address="rtsp://10.0.0.5/other")
    assert sources.source_of(Camera.objects.get()).password == SECRET
    services.update_camera(actor=owner, camera=door, address="rtsp://eve:new@10.0.0.66/s")
    found = sources.source_of(Camera.objects.get())
    assert (found.address, found.user, found.password) == ("rtsp://10.0.0.66/s", "eve", "new")
    services.update_camera(actor=owner, camera=door, kind="webcam")
    assert list(Camera.objects.values_list("address", "credentials")) == [("", "")]


def test_a_password_under_another_secret_key_is_asked_for_again(owner, door, settings):
    settings.SECRET_KEY = "x" * 50
    with pytest.raises(CannotOpen):
        sources.source_of(door)
    assert sources.readable_credentials_of(door) == ("", "")
    with pytest.raises(InvalidInput, match="Enter it again"):
        services.update_camera(actor=owner, camera=door, address="rtsp://10.0.0.5/2")
    services.update_camera(actor=owner, camera=door, user="ada", password="again")
    assert sources.source_of(Camera.objects.get()).password == "again"


@pytest.mark.parametrize(
    ("kind", "address", "sentence"),
    [
        ("rtsp", "", "Enter the camera's address"),
        ("rtsp", "http://10.0.0.5/", "rtsp://"),
        ("rtsp", "rtsp://127.0.0.1/", "loopback"),
        ("rtsp", "rtsp://2130706433/", "loopback"),
        ("mjpeg", "http://169.254.169.254/latest/", "metadata"),
        ("mjpeg", "http://[::ffff:127.0.0.1]/", "loopback"),
        ("mjpeg", "file:///etc/passwd", "http://"),
        ("file", "door.mp4", "No folder of videos"),
        ("device", "/dev/video0", "not among those"),
        ("phone", "x", "kind must be one of"),
    ],
)
def test_what_may_not_be_read_is_told_and_nothing_made(owner, gallery, kind, address, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        services.create_camera(actor=owner, gallery=gallery, name="Door", kind=kind, address=address)
    assert not Camera.objects.exists() and not AuditEvent.objects.exists()


def test_files_below_the_folder_and_named_devices_may_be_read(owner, gallery, settings, tmp_path):
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "door.mp4").write_bytes(b"x")
    (tmp_path / "outside.mp4").write_bytes(b"x")
    settings.CAMERA_FOLDER, settings.CAMERA_DEVICES = tmp_path / "videos", ["/dev/video7"]
    made = [
        services.create_camera(actor=owner, gallery=gallery, name="人", kind=kind, address=address, password="x")
        for kind, address in (("file", "door.mp4"), ("device", "/dev/video7"))
    ]
    assert len({camera.slug for camera in made}) == 2 and {camera.credentials for camera in made} == {""}
    with pytest.raises(InvalidInput, match="no such video file"):
        services.create_camera(actor=owner, gallery=gallery, name="Door", kind="file", address="../outside.mp4")


@pytest.mark.parametrize(
    "fields",
    [
        {"fps": 0}, {"fps": 16}, {"fps": float("nan")}, {"min_frames": 0}, {"min_face_px": 5}, {"retention_days": 0},
        {"role": "window"}, {"name": ""}, {"masks": [[[0, 0], [1, 1]]]}, {"masks": [[[0, 0], [1, 1], [0, 2]]]}, {"masks": 7},
        {"credentials": "x"}, {"slug": "a b"},
    ],
)  # fmt: skip
def test_values_have_limits(owner, fields):
    camera = CameraFactory(gallery=owner.user.memberships.get().gallery)
    before = Camera.objects.values().get()
    with pytest.raises(InvalidInput):
        services.update_camera(actor=owner, camera=camera, **fields)
    assert Camera.objects.values().get() == before and not AuditEvent.objects.exists()


def test_slugs_are_the_gallerys_own_and_cameras_are_counted(owner, gallery, monkeypatch):
    first = services.create_camera(actor=owner, gallery=gallery, name="Door", kind="webcam", slug="door")
    with pytest.raises(Conflict):
        services.create_camera(actor=owner, gallery=gallery, name="Door", kind="webcam", slug="door")
    assert CameraFactory(slug="door").gallery != first.gallery
    monkeypatch.setattr(services, "MOST_CAMERAS", 2)
    services.create_camera(actor=owner, gallery=gallery, name="Door", kind="webcam")
    with pytest.raises(Conflict, match="at most 2 cameras"):
        services.create_camera(actor=owner, gallery=gallery, name="Door", kind="webcam")
    assert sorted(gallery.cameras.values_list("slug", flat=True)) == ["door", "door-2"]


@pytest.mark.parametrize("role", [None, Role.VIEWER, Role.CURATOR])
def test_only_owners_change_cameras(owner, door, role):
    actor = member(door.gallery, role) if role else stranger()
    before = stored()
    for act in (
        lambda: services.create_camera(actor=actor, gallery=door.gallery, name="Door", kind="webcam"),
        lambda: services.update_camera(actor=actor, camera=door, enabled=False),
        lambda: services.delete_camera(actor=actor, camera=door),
        lambda: services.source_to_try(actor=actor, gallery=door.gallery, kind="rtsp", address="rtsp://10.0.0.1/"),
    ):
        with pytest.raises(NotAllowed):
            act()
    assert stored() == before


def test_switching_off_is_told_at_once_where_no_worker_would(owner, door):
    def status():
        return CameraState.objects.get().status, words_of(Camera.objects.with_state().get()).text

    assert status() == ("waiting", "Waiting for a camera worker")
    door = services.update_camera(actor=owner, camera=door, enabled=False)
    assert status() == ("disabled", "Switched off")
    services.update_camera(actor=owner, camera=door, enabled=True)
    assert status() == ("waiting", "Waiting for a camera worker")


def test_a_deleted_camera_is_gone(owner, door):
    services.delete_camera(actor=owner, camera=door)
    assert not Camera.objects.exists() and not CameraState.objects.exists()
    for act in (services.delete_camera, services.update_camera):
        with pytest.raises(Conflict):
            act(actor=owner, camera=door)


def test_a_deleted_camera_takes_its_sightings_along_and_unknown_people_are_counted_anew(owner, door):
    gallery = door.gallery
    yard, anna = CameraFactory(gallery=gallery), IdentityFactory(gallery=gallery)
    twice, there = sight(gallery, unit(0), camera=door), sight(gallery, unit(0), camera=yard, later=60)
    once, named = sight(gallery, unit(1), camera=door), sight(gallery, unit(2), camera=door)
    name_unknown(actor=owner, unknown=named.unknown, identity=anna, faces=[])
    rule = AlertRule.objects.create(gallery=gallery, name="All", kind="known")
    alert = Alert.objects.create(
        gallery=gallery, rule=rule, rule_name="All", kind="known", camera=door, sighting=named, identity=anna,
        raised_at=timezone.now(),
    )  # fmt: skip
    assert twice.unknown == there.unknown != once.unknown
    for later in range(100, 130):
        sight(gallery, unit(3), camera=door, later=later)
    with CaptureQueriesContext(connection) as queries:
        event = services.delete_camera(actor=owner, camera=door)
    assert len(queries) < 60 and event.details == {"sightings": 33}
    assert list(Sighting.objects.all()) == [there]
    assert not SightingFace.objects.exclude(sighting=there).exists()
    assert not history_of(Sighting).objects.exclude(pgh_obj_id=there.pk).exists()
    alert.refresh_from_db()
    assert (alert.camera, alert.sighting, alert.identity) == (None, None, anna)
    left = {row.pk: row.sightings_count for row in UnknownPerson.objects.all()}
    assert left == {there.unknown_id: 1, named.unknown_id: 0}  # a name can be undone
    stayed = UnknownPerson.objects.get(pk=there.unknown_id)
    assert (stayed.first_seen, stayed.last_seen) == (there.first_seen, there.last_seen)
    assert UnknownEmbedding.objects.get().n == 2
    [job] = ProcrastinateJob.objects.filter(task_name="recognition.sightings.tasks.refresh_unknowns")
    refresh_unknowns(**job.args)
    assert UnknownEmbedding.objects.get().n == 1


# --- Trying ---


def tried(owner, gallery, **values) -> bytes:
    source = services.source_to_try(actor=owner, gallery=gallery, kind="mjpeg", **values)
    attempt = trying.Attempt(source)
    assert attempt.wait(20)
    return attempt.picture()


def test_a_real_camera_is_tried(owner, gallery, settings):
    settings.OUTGOING_NETWORKS = ["127.0.0.0/8"]
    with MjpegServer([JPEG], auth=("ada", "right")) as camera:
        assert tried(owner, gallery, address=camera.address, user="ada", password="right").startswith(b"\xff\xd8")
        with pytest.raises(Unprocessable, match="does not accept this user name and password") as refused:
            tried(owner, gallery, address=camera.address, user="ada", password="wrong-secret")
        assert refused.value.code == "camera_wrong_password" and "wrong-secret" not in str(refused.value)
    with pytest.raises(Unprocessable, match="nothing listens"):
        tried(owner, gallery, address=camera.address)
    assert not Camera.objects.exists()


def test_few_are_tried_at_a_time(owner, gallery, settings):
    settings.OUTGOING_NETWORKS = ["127.0.0.0/8"]
    with MjpegServer([JPEG], fault="silent") as camera:
        source = services.source_to_try(actor=owner, gallery=gallery, kind="mjpeg", address=camera.address)
        attempts = [trying.Attempt(source) for _ in range(trying.AT_ONCE + trying.WAITING)]
        with pytest.raises(TooManyAttempts):
            trying.Attempt(source)
        for attempt in attempts:
            attempt.close()  # those that have not begun
        assert sum(attempt.future.done() for attempt in attempts) == trying.WAITING
    for attempt in attempts:
        assert attempt.wait(20)
        with pytest.raises(Unprocessable):
            attempt.picture()
    trying.Attempt(source).wait(20)


# --- A webcam's pictures ---


def test_a_posted_picture_replaces_the_last_but_not_too_often(gallery):
    camera, curator = CameraFactory(gallery=gallery), member(gallery, Role.CURATOR)
    assert services.post_frame(actor=curator, camera=camera, jpeg=JPEG) == 1
    with pytest.raises(TooManyAttempts):
        services.post_frame(actor=curator, camera=camera, jpeg=JPEG)
    IncomingFrame.objects.update(posted_at="2020-01-01T00:00Z")
    assert services.post_frame(actor=curator, camera=camera, jpeg=JPEG) == 2
    IncomingFrame.objects.update(posted_at="2990-01-01T00:00Z")  # the clock was set back
    assert services.post_frame(actor=curator, camera=camera, jpeg=JPEG) == 3
    assert bytes(IncomingFrame.objects.get().jpeg) == JPEG


def test_what_is_no_webcam_or_no_picture_is_refused(owner, gallery, door):
    camera, off = CameraFactory(gallery=gallery), CameraFactory(gallery=gallery, enabled=False)
    large = jpegs([np.zeros((1100, 2000, 3), "uint8")])[0]
    for target, jpeg, error in (
        (door, JPEG, Conflict),
        (off, JPEG, Conflict),
        (camera, b"", Unprocessable),
        (camera, JPEG[:-2], Unprocessable),
        (camera, b"\x89PNG" + JPEG, Unprocessable),
        (camera, b"\xff\xd8\xff\xd9", Unprocessable),
        (camera, large, InvalidInput),
        (camera, JPEG[:-2] + bytes(1_000_000) + b"\xff\xd9", InvalidInput),
    ):
        with pytest.raises(error):
            services.post_frame(actor=owner, camera=target, jpeg=jpeg)
    with pytest.raises(NotAllowed):
        services.post_frame(actor=member(gallery, Role.VIEWER), camera=camera, jpeg=JPEG)
    assert not IncomingFrame.objects.exists()
