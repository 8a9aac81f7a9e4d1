"""The main promise, on a folder of real photos: every enrolled person is named, and no stranger is."""

import json

import pytest
from factories import GalleryFactory, IdentityFactory

from accounts.actor import system_actor
from recognition.photos.models import RecognitionRequest, Status
from recognition.photos.services import Photo, submit_enrolment, submit_recognition

pytestmark = pytest.mark.django_db
PACKS = ["sface", "dlib-resnet"]
ACTOR = system_actor()
PROBES = {
    "alex_lacamoire1": {"Alex"},
    "friends_group": set(),
    "johnsnow_test1": {"Kit"},
    "kit_with_rose": {"Kit", "Rose"},
    "obama1": {"Obama"},
    "obama_and_biden": {"Obama", "Biden"},
}


@pytest.fixture(params=PACKS)
def gallery(db, request, worker):
    """A gallery of each pack in turn, and the worker has loaded it."""
    if request.param == "sface":
        worker._pipelines["sface"] = request.getfixturevalue("sface")
    return GalleryFactory(pack=request.param)


def enrol(worker, gallery, name, *paths) -> None:
    identity = IdentityFactory(gallery=gallery, name=name)
    photos = [Photo(path.name, path.read_bytes()) for path in paths]
    rows = submit_enrolment(actor=ACTOR, identity=identity, photos=photos, needs_worker=False)
    while worker.run_once():
        pass
    assert set(RecognitionRequest.objects.filter(pk__in=[r.pk for r in rows]).values_list("status", flat=True)) == {
        Status.DONE
    }


def names(worker, gallery, path) -> list[str]:
    """The name of each face, or else its decision."""
    photo = Photo(path.name, path.read_bytes())
    row = submit_recognition(actor=ACTOR, gallery=gallery, photo=photo, needs_worker=False)
    worker.run_once()
    answer = RecognitionRequest.objects.with_results().get(pk=row.pk)
    return [face.identity.name if face.identity else face.decision for face in answer.faces.all()]


def test_everybody_is_named_in_every_photo_and_strangers_are_unknown(worker, gallery, faces_dir):
    folders = {
        "alex_lacamoire": "Alex",
        "biden": "Biden",
        "kit_harington": "Kit",
        "obama": "Obama",
        "rose_leslie": "Rose",
    }
    for folder, name in folders.items():
        enrol(worker, gallery, name, *sorted((faces_dir / "identities" / folder).iterdir()))
    for probe, expected in PROBES.items():
        found = names(worker, gallery, faces_dir / "probes" / f"{probe}.jpg")
        assert {name for name in found if name != "unknown"} == expected, probe
        if probe == "friends_group":
            assert found == ["unknown"] * 6


def test_compreface_people(worker, gallery, faces_dir):
    folder = faces_dir / "compreface"
    enrol(worker, gallery, "A", folder / "001_A.jpg")
    enrol(worker, gallery, "B", folder / "007_B.jpg")
    found = {
        path.name: names(worker, gallery, path)
        for path in sorted(folder.glob("00[2-9]_?.jpg"))
        if "007" not in path.name
    }
    assert found == {f"00{n}_A.jpg": ["A"] for n in range(2, 7)} | {"008_B.jpg": ["B"], "009_C.jpg": ["unknown"]}
    assert set(json.loads((folder / "noses.json").read_text())) >= set(found)
