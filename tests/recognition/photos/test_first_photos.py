"""“Add faces” makes a person with their first face: refused photos leave nobody behind."""

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from factories import GalleryFactory, IdentityFactory, member, stranger

from accounts.actor import system_actor
from accounts.models import AuditEvent
from accounts.roles import Role
from gallery.models import Gallery, Identity
from gallery.services import delete_identity
from recognition.photos.models import RecognitionRequest

pytestmark = pytest.mark.django_db
ADDRESS = "/galleries/staff/add-faces"


@pytest.fixture
def curator(client, living_worker, monkeypatch):
    monkeypatch.setattr("recognition.photos.views.WAIT", 0)
    client.force_login(member(GalleryFactory(slug="staff"), Role.CURATOR).user)
    return client


def add(client, *photos: bytes, **values) -> str:
    files = [SimpleUploadedFile(f"{number}.jpg", data) for number, data in enumerate(photos)]
    answer = client.post(ADDRESS, {"name": "Grace", "photos": files} | values, HTTP_HX_REQUEST="true")
    assert answer.status_code == 200, answer.content.decode()
    return answer.content.decode()


def later(client, page: str) -> str:
    [address] = re.findall('hx-get="([^"]+)"', page)
    return client.get(address, HTTP_HX_REQUEST="true").content.decode()


def test_why_a_photo_was_refused_is_kept_in_english_whoever_sent_it(curator):
    photo = SimpleUploadedFile("junk.jpg", b"junk")
    curator.post(ADDRESS, {"name": "Grace", "photos": [photo]}, headers={"Accept-Language": "de"})
    assert RecognitionRequest.objects.get().error_message.startswith("The file is not a photo that can be read.")


def test_refused_photos_leave_nobody_and_the_form_can_be_sent_again(curator, worker, no_face, both, hopper):
    page = add(curator, b"junk")
    assert "so Grace was not added" in page and not Identity.objects.exists()
    page = add(curator, no_face, both)
    assert "2 still waiting" in page
    worker.run_once()
    assert "so Grace was not added" in later(curator, page)
    assert not Identity.with_deleted.exists()
    assert not AuditEvent.objects.filter(action="identity.created").exists()
    page = add(curator, hopper)  # no namesake is in the way
    worker.run_once()
    page = later(curator, page)
    grace = Identity.objects.get()
    assert "1 photo enrolled" in page and f"/people/{grace.pk}/" in page
    again = curator.post(ADDRESS, {"name": "grace", "photos": SimpleUploadedFile("a.jpg", hopper)})
    assert "already a Grace" in again.content.decode()


def test_the_photos_of_a_new_person_are_one_persons(curator, worker, hopper, hopper_again, no_face):
    page = add(curator, b"junk", no_face, hopper, hopper_again, department="Navy", external_id="7")
    worker.run_once()
    assert "2 photos enrolled" in later(curator, page)
    grace = Identity.objects.get()
    assert (grace.department, grace.external_id, grace.samples.count()) == ("Navy", "7", 2)
    assert AuditEvent.objects.filter(action="identity.created").count() == 1
    # an erasure finds the refused ones by this
    assert set(RecognitionRequest.objects.values_list("identity", flat=True)) == {grace.pk}


def test_people_without_an_external_id_are_not_taken_for_one_another(curator, worker, hopper):
    other = IdentityFactory(gallery=Gallery.objects.get(slug="staff"))
    add(curator, hopper)
    worker.run_once()
    assert other.samples.count() == 0 and Identity.objects.get(name="Grace").samples.count() == 1


def test_what_is_wrong_with_the_person_is_told_at_once(curator, hopper):
    IdentityFactory(gallery=Gallery.objects.get(), external_id="7")
    files = {"photos": SimpleUploadedFile("a.jpg", hopper)}
    answer = curator.post(ADDRESS, {"name": "Grace", "external_id": "7", **files})
    assert answer.status_code == 409 and not RecognitionRequest.objects.exists()


def test_a_deleted_meanwhile_meanwhile_does_not_come_back(curator, worker, hopper, hopper_again):
    add(curator, hopper, hopper_again)
    first, second = RecognitionRequest.objects.order_by("id")
    worker.run_once(only=[first.pk])
    grace = Identity.objects.get()
    delete_identity(actor=system_actor(), identity=grace)
    worker.run_once()
    second.refresh_from_db()
    assert (second.status, second.error_code) == ("failed", "deleted_meanwhile")
    assert not Identity.objects.exists()


def test_strangers_see_no_enrolment(curator, hopper):
    [address] = re.findall('hx-get="([^"]+)"', add(curator, hopper))
    curator.force_login(stranger().user)
    assert curator.get(address).status_code == 404
