"""Pictures held up to a camera, with nets that take every face for real, or for a picture: seeded, as test_minifas.py says."""

import logging

import pytest
from api_client import NOW, client_of, problem, upload
from django.test import Client
from factories import GalleryFactory, IdentityFactory, member
from minifas_files import FAKE, REAL

from accounts.actor import system_actor
from accounts.models import AuditEvent
from accounts.roles import Role
from gallery.models import Gallery
from recognition.engine.liveness import PACK
from recognition.engine.liveness_nets import OptionalLiveness
from recognition.photos.models import RecognitionFace
from recognition.photos.services import Photo, submit_enrolment

pytestmark = pytest.mark.django_db


@pytest.fixture
def grace(living_worker, worker, hopper):
    person = IdentityFactory(gallery=GalleryFactory(slug="staff"), name="Grace Hopper")
    submit_enrolment(actor=system_actor(), identity=person, photos=[Photo("a.jpg", hopper)], needs_worker=False)
    assert worker.run_once() == 1
    return person


def looked_at(worker, client, photo: bytes, **fields) -> dict:
    """The face of a photo that is sent for recognition."""
    answer = client.post("/api/v1/recognitions", {"gallery": "staff", "photo": upload(photo)} | fields, **NOW)
    assert worker.run_once() == 1
    [face] = client.get(answer["Location"]).json()["faces"]
    return face


@pytest.mark.parametrize(("towards", "decision"), [(REAL, "live"), (FAKE, "spoof")])
def test_a_hint_changes_nothing_else(grace, worker, hopper_again, takes_for, towards, decision):
    Gallery.objects.update(liveness="hint")
    takes_for(towards)
    client = client_of(member(grace.gallery, Role.VIEWER))
    face = looked_at(worker, client, hopper_again, live="true")
    assert (face["decision"], face["identity"]["name"]) == ("known", "Grace Hopper")
    assert face["liveness"]["decision"] == decision
    assert (face["liveness"]["score"] > 0.9) == (towards == REAL)
    assert "presentation_attack" not in face["quality"]["reasons"]


def test_refusing_recognises_nobody_by_a_picture(grace, worker, hopper_again, takes_for):
    Gallery.objects.update(liveness="refuse")
    client = client_of(member(grace.gallery, Role.VIEWER))
    takes_for(REAL)
    assert looked_at(worker, client, hopper_again, live="true")["decision"] == "known"
    takes_for(FAKE)
    face = looked_at(worker, client, hopper_again, live="true")
    assert (face["decision"], face["identity"], face["candidates"]) == ("unusable", None, [])
    assert "presentation_attack" in face["quality"]["reasons"]
    assert face["liveness"]["decision"] == "spoof"


def test_photos_that_are_sent_are_never_checked(grace, worker, hopper_again, collins, takes_for):
    Gallery.objects.update(liveness="refuse")
    takes_for(FAKE)
    curator = client_of(member(grace.gallery, Role.CURATOR))
    face = looked_at(worker, curator, hopper_again)
    assert (face["decision"], face["liveness"]) == ("known", None)
    submit_enrolment(actor=system_actor(), identity=grace, photos=[Photo("b.jpg", collins)], quality_gate="off")
    assert worker.run_once() == 1
    assert grace.samples.count() == 2


@pytest.mark.parametrize(("setting", "installed"), [("off", True), ("refuse", False)])
def test_switched_off_or_not_installed_it_is_as_before(
    grace, worker, pipeline, hopper_again, takes_for, tmp_path, monkeypatch, caplog, setting, installed
):
    Gallery.objects.update(liveness=setting)
    if installed:
        takes_for(FAKE)
    else:
        monkeypatch.setattr(pipeline, "liveness", OptionalLiveness(tmp_path / PACK))
    client = client_of(member(grace.gallery, Role.VIEWER))
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            face = looked_at(worker, client, hopper_again, live="true")
            assert (face["decision"], face["liveness"]) == ("known", None)
    said = [record.message for record in caplog.records if "presentation attacks" in record.message]
    assert len(said) == (0 if installed else 1)  # once, not for each photo
    assert not RecognitionFace.objects.exclude(liveness=None).exists()


# --- The setting ------------------------------------------------------------------------------------------------------
def test_owners_switch_it_on_over_the_api_and_it_is_audited():
    gallery = GalleryFactory(slug="staff")
    client = client_of(member(gallery, Role.OWNER))
    assert client.get("/api/v1/galleries/staff").json()["liveness"] == "off"
    assert client.patch("/api/v1/galleries/staff", {"liveness": "hint"}, format="json").json()["liveness"] == "hint"
    event = AuditEvent.objects.get(action="gallery.changed")
    assert event.details == {"liveness": ["off", "hint"]}
    problem(client.patch("/api/v1/galleries/staff", {"liveness": "sometimes"}, format="json"), 400, "invalid_input")
    curator = client_of(member(gallery, Role.CURATOR))
    problem(curator.patch("/api/v1/galleries/staff", {"liveness": "off"}, format="json"), 403, "not_allowed")
    gallery.refresh_from_db()
    assert (gallery.liveness, AuditEvent.objects.filter(action="gallery.changed").count()) == ("hint", 1)


def test_the_settings_page_says_what_is_missing(settings, tmp_path, pack_dir):
    settings.MODELS_DIR = tmp_path
    (tmp_path / "dlib-resnet").symlink_to(pack_dir)
    gallery = GalleryFactory(slug="staff")
    owner, curator = Client(), Client()
    owner.force_login(member(gallery, Role.OWNER).user)
    curator.force_login(member(gallery, Role.CURATOR).user)
    page, address = "/galleries/staff/calibration", "/galleries/staff/liveness"
    command = "manage.py packs install liveness-minifas"
    assert command not in owner.get(page).content.decode()
    assert owner.post(address, {"liveness": "refuse"})["Location"] == page
    gallery.refresh_from_db()
    assert gallery.liveness == "refuse"
    assert command in owner.get(page).content.decode()
    (tmp_path / PACK).mkdir()
    (tmp_path / PACK / "liveness.json").touch()
    assert command not in owner.get(page).content.decode()

    assert "Only owners of the gallery can change this." in curator.get(page).content.decode()
    assert curator.post(address, {"liveness": "off"}).status_code == 403
    assert owner.post(address, {"liveness": "perhaps"}).status_code == 400
    assert owner.get(address).status_code == 405
    stranger = Client()
    stranger.force_login(member(GalleryFactory(slug="other"), Role.OWNER).user)
    assert stranger.post(address, {"liveness": "off"}).status_code == 404
    gallery.refresh_from_db()
    assert (gallery.liveness, AuditEvent.objects.filter(action="gallery.changed").count()) == ("refuse", 1)
