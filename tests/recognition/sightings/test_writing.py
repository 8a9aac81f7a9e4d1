"""What becomes of a tracker's events. The events are made up; the rows are real."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from unittest.mock import patch
from uuid import uuid4

import numpy as np
import pytest
import uuid6
from django.db import OperationalError
from factories import GalleryFactory, IdentityFactory

from recognition.attendance import services as attendance
from recognition.cameras import claims
from recognition.cameras.claims import Lost
from recognition.cameras.models import Camera, CameraState, Sighting, SightingFace, UnknownPerson
from recognition.engine.base import Box, Crop, Face, Quality
from recognition.sightings import unknown_people, writing
from recognition.sightings.writing import SightingWriter
from recognition.tracking.base import Corrected, Ended, Opened, Progressed, SeenFace
from recognition.tracking.base import Sighting as Seen

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC).timestamp()


def vector(axis: int) -> np.ndarray:
    made = np.zeros(128, "float32")
    made[axis] = 1
    return made


def face(axis: int, quality: float = 0.9) -> Face:
    crop = Crop(b"\xff\xd8jpeg", 100, 120, np.full((5, 2), 50, "float32"))
    return Face(Box(1, 2, 60, 60), crop.landmarks, 0.99, Quality(quality, {}, (), True), crop, vector(axis))


def seen(axis: int = 0, *, number: int = 1, at: float = NOON, person=None, frames: int = 3, **fields) -> Seen:
    values = {
        "track": number, "decision": "known" if person else "unknown", "identity_id": person.pk if person else None,
        "reason": None, "distance": 0.3, "margin": 0.2, "threshold": 0.6, "frames": frames, "first_seen": at,
        "last_seen": at + 3, "mean": vector(axis), "beside": frozenset(),
        "faces": tuple(SeenFace(face(axis), frame, at, 0.9) for frame in range(3)),
    }  # fmt: skip
    return Seen(number=number, **values | fields)


@pytest.fixture
def gallery():
    return GalleryFactory()


@pytest.fixture
def claim(gallery):
    camera = Camera.objects.create(gallery=gallery, slug="door", name="Door", kind="webcam")
    [claim] = claims.claim(worker=uuid4(), packs=[gallery.pack], limit=1, alone=True)
    assert claim.camera == camera
    return claim


@pytest.fixture
def writer(claim):
    return SightingWriter(claim, claim.camera.gallery.pack)


@pytest.fixture
def raised():
    """Whom alerts were told about."""
    with patch.object(writing.alerts, "raise_for") as told:
        yield told


@pytest.fixture
def anna(gallery):
    return IdentityFactory(gallery=gallery, name="Anna")


def test_a_sighting_begins_goes_on_and_ends(writer, anna, raised):
    first = seen(person=anna)
    writer.write([Opened(first)])
    row = Sighting.objects.get()
    assert (row.decision, row.identity, row.frames, row.closed) == ("known", anna, 3, False)
    assert [face.rank for face in row.faces.all()] == [0, 1, 2]
    anna.refresh_from_db()
    assert anna.last_recognized_at == row.last_seen
    writer.write([Progressed(replace(first, frames=30, last_seen=NOON + 12))])
    writer.write([Ended(replace(first, frames=40, last_seen=NOON + 20, distance=0.25))])
    row.refresh_from_db()
    assert (row.frames, row.closed, row.distance) == (40, True, 0.25)
    assert row.last_seen - row.first_seen == timedelta(seconds=20)
    assert raised.call_count == 1


def test_whoever_comes_back_within_a_minute_is_the_same_sighting(writer, anna, raised):
    writer.write([Opened(seen(person=anna)), Ended(seen(person=anna))])
    back = seen(person=anna, number=2, at=NOON + 50, frames=5)
    writer.write([Opened(back), Ended(back)])
    row = Sighting.objects.get()
    assert (row.frames, row.closed) == (8, True)
    later = seen(person=anna, number=3, at=NOON + 200)
    writer.write([Opened(later)])
    assert Sighting.objects.count() == 2
    assert raised.call_count == 2


def test_a_stranger_who_comes_back_is_one_unknown_person(writer, raised):
    writer.write([Opened(seen(0)), Ended(seen(0))])
    again = seen(0, number=2, at=NOON + 40)
    writer.write([Opened(again), Ended(again)])
    other, later = seen(1, number=3, at=NOON + 41), seen(0, number=4, at=NOON + 4000)
    writer.write([Opened(other), Opened(later)])
    one, another = UnknownPerson.objects.order_by("number")
    assert (one.number, one.sightings_count, another.sightings_count) == (1, 2, 1)
    assert [row.unknown_id for row in Sighting.objects.order_by("first_seen")] == [one.pk, another.pk, one.pk]
    assert one.last_seen == Sighting.objects.latest("last_seen").last_seen
    assert raised.call_count == 3


def test_two_in_one_frame_are_two_people_however_alike(writer):
    twin = seen(0, number=2, beside=frozenset({1}))
    writer.write([Opened(seen(0, beside=frozenset({2}))), Opened(twin)])
    assert UnknownPerson.objects.count() == 2


def test_a_name_that_was_wrong_no_longer_counts(writer, gallery, anna, raised):
    bella = IdentityFactory(gallery=gallery, name="Bella")
    wrong, right = seen(person=anna), seen(person=bella, number=2, track=1, at=NOON + 3)
    with patch.object(attendance, "recount") as recount:
        writer.write([Opened(wrong)])
        writer.write([Corrected(wrong, right)])
    old, new = Sighting.objects.order_by("first_seen")
    assert (old.decision, old.identity, old.reason, old.closed) == ("unusable", None, "corrected", True)
    assert (new.identity, new.follows, new.track) == (bella, old, old.track)
    recount.assert_called_once_with([anna.pk])


def test_a_stranger_who_turns_out_to_be_enrolled_leaves_the_unknown(writer, anna):
    stranger = seen(0)
    writer.write([Opened(stranger)])
    writer.write([Corrected(stranger, seen(0, number=2, track=1, person=anna, at=NOON + 3))])
    assert UnknownPerson.objects.get().sightings_count == 0
    assert not Sighting.objects.exclude(unknown=None).exists()


def test_what_a_curator_said_meanwhile_stays(writer, gallery, anna):
    bella = IdentityFactory(gallery=gallery, name="Bella")
    first = seen(person=anna)
    writer.write([Opened(first)])
    Sighting.objects.update(identity=bella, named_at=datetime.now(UTC))
    writer.write([Ended(replace(first, last_seen=NOON + 30, distance=0.1))])
    row = Sighting.objects.get()
    assert (row.identity, row.distance, row.closed) == (bella, 0.3, True)
    writer.write([Opened(seen(person=anna, number=2, at=NOON + 40))])
    assert Sighting.objects.count() == 2


def test_a_worker_that_lost_the_camera_writes_nothing(writer, claim, anna):
    CameraState.objects.filter(camera=claim.camera).update(claim_token=uuid6.uuid7())
    with pytest.raises(Lost):
        writer.write([Opened(seen(person=anna))])
    assert not Sighting.objects.exists()


def test_a_fault_in_the_middle_writes_nothing_and_a_repeat_writes_all_once(writer, anna):
    events = [Opened(seen(person=anna)), Opened(seen(1, number=2)), Ended(seen(1, number=2))]
    with (
        patch.object(unknown_people, "join", side_effect=OperationalError("gone")),
        pytest.raises(OperationalError),
    ):
        writer.write(events)
    assert not Sighting.objects.exists() and not SightingFace.objects.exists()
    writer.write(events)
    writer.write(events)  # as if the first answer had been lost
    assert Sighting.objects.count() == 2 and UnknownPerson.objects.get().sightings_count == 1


def test_somebody_erased_meanwhile_is_nobody(writer, anna):
    first = seen(person=anna)
    anna.delete()
    writer.write([Opened(first), Ended(first)])
    assert Sighting.objects.get().identity is None


def test_what_cannot_be_compared_is_kept_without_a_word(writer, raised):
    poor = seen(decision="unusable", reason="face_too_small", mean=None, frames=1, distance=None)
    writer.write([Opened(poor), Ended(poor)])
    row = Sighting.objects.get()
    assert (row.decision, row.reason, row.unknown) == ("unusable", "face_too_small", None)
    assert row.faces.exists() and not row.embeddings.exists() and not raised.called
