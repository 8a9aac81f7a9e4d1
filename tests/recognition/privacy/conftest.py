"""A gallery with a long history of one person."""

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.utils import timezone
from factories import GalleryFactory, IdentityFactory, SampleFactory, UserFactory, unit

from accounts.actor import system_actor
from gallery import services
from gallery.curation import services as curation
from gallery.curation.history import undo
from gallery.models import FaceSample, Identity
from recognition.imports.models import Import, ImportPiece, ImportRow
from recognition.photos.models import RecognitionRequest
from recognition.photos.services import Photo, submit_enrolment, submit_recognition

ACTOR = system_actor()


@pytest.fixture
def gallery():
    return GalleryFactory(keep_photos=True)


@pytest.fixture(autouse=True)
def own_data_dir(settings, tmp_path):
    """Erasures are recorded in a file there."""
    settings.DATA_DIR = tmp_path


def enrol(worker, gallery, name: str, photo: bytes, **fields) -> Identity:
    person = services.create_identity(actor=ACTOR, gallery=gallery, name=name, **fields)
    photos = [Photo(f"{name.lower().replace(' ', '_')}.jpg", photo)]
    submit_enrolment(actor=ACTOR, identity=person, photos=photos, needs_worker=False)
    worker.run_once()
    return person


def recognise(worker, gallery, photo: bytes, name: str) -> RecognitionRequest:
    row = submit_recognition(actor=ACTOR, gallery=gallery, photo=Photo(name, photo), needs_worker=False)
    worker.run_once()
    return RecognitionRequest.objects.get(pk=row.pk)


@pytest.fixture
def lived_in(worker, gallery, hopper, hopper_again, collins, both):
    """A gallery in which Grace was renamed, merged, moved, recognised alone and with Eileen, and imported."""
    grace = enrol(worker, gallery, "Grace Murray", hopper, external_id="usn-1906")
    grace = services.update_identity(
        actor=ACTOR, identity=grace, name="Grace Hopper", metadata={"rank": "rear admiral"}
    )
    eileen = enrol(worker, gallery, "Eileen Collins", collins)
    double = IdentityFactory(gallery=gallery, name="Amazing Grace")
    SampleFactory(identity=double, vector=unit(3), photo_name="amazing.jpg")
    curation.merge_identities(actor=ACTOR, into=grace, others=[double])
    undone = curation.split_identity(
        actor=ACTOR, identity=grace, samples=[grace.samples.get(photo_name="amazing.jpg").pk], name="Grandma COBOL"
    )
    undo(actor=ACTOR, event=undone.event)
    moved = grace.samples.get(photo_name="amazing.jpg")
    curation.move_sample(actor=ACTOR, sample=moved, to=eileen)
    curation.move_sample(actor=ACTOR, sample=FaceSample.objects.get(pk=moved.pk), to=grace)
    job = Import.objects.create(gallery=gallery, name="grace-hopper.zip", status="failed", finished_at=timezone.now())
    ImportPiece.objects.create(job=job, number=0, data=b"Grace Hopper")
    for row in (
        {
            "path": "Grace Hopper/1.jpg",
            "name": "Grace Hopper",
            "key": "usn-1906",
            "status": "enrolled",
            "identity": grace,
        },
        {"path": "2.jpg", "name": "E", "key": "e", "status": "refused", "reason": "It looks more like Grace Hopper."},
        {"path": "3.jpg", "name": "Eileen Collins", "key": "eileen", "status": "enrolled", "identity": eileen},
    ):
        ImportRow.objects.create(job=job, **row)
    LogEntry.objects.create(
        user=UserFactory(), content_type=ContentType.objects.get_for_model(Identity), object_id=str(grace.pk),
        object_repr="Grace Hopper", action_flag=CHANGE,
    )  # fmt: skip
    return {
        "grace": grace,
        "eileen": eileen,
        "alone": recognise(worker, gallery, hopper_again, "at the door.jpg"),
        "both": recognise(worker, gallery, both, "grace_hopper-and-eileen.jpg"),
        "eileen alone": recognise(worker, gallery, collins, "eileen.jpg"),
    }
