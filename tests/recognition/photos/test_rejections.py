""" "Not X" on real faces: said of a recognised face, respected by later searches, and undone."""

import pytest
from api_client import client_of, problem
from factories import IdentityFactory, SampleFactory, member, stranger

from accounts.actor import system_actor
from accounts.models import AuditEvent
from accounts.roles import Role
from gallery.curation.services import merge_identities
from gallery.models import FaceSample, Identity
from gallery.services import delete_identity
from recognition.photos.models import RecognitionRequest
from recognition.photos.representation import recognition_as_dict
from recognition.photos.services import Photo, submit_recognition

pytestmark = pytest.mark.django_db
SYSTEM = system_actor()


@pytest.fixture
def recognise(gallery, worker):
    def run(photo: bytes) -> dict:
        row = submit_recognition(actor=SYSTEM, gallery=gallery, photo=Photo("probe.jpg", photo), needs_worker=False)
        worker.run_once()
        return answer(row.pk)

    return run


def answer(pk) -> dict:
    return recognition_as_dict(RecognitionRequest.objects.with_results().get(pk=pk))


def test_not_x_changes_this_answer_and_the_next_and_can_be_undone(gallery, grace, recognise, hopper_again):
    curator = client_of(member(gallery, Role.CURATOR))
    first = recognise(hopper_again)
    assert first["faces"][0]["identity"]["name"] == "Grace"
    address = f"/api/v1/recognitions/{first['id']}/faces/0/reject"
    body = {"identity": str(grace.pk)}
    rejected = curator.post(address, body, format="json")
    [face] = rejected.json()["faces"]
    assert (face["decision"], face["identity"], face["candidates"]) == ("unknown", None, [])
    assert [person["name"] for person in face["rejected"]] == ["Grace"]
    assert recognise(hopper_again)["faces"][0]["decision"] == "unknown"
    problem(curator.post(address, body, format="json"), 409, "conflict")
    assert FaceSample.objects.get(rejected=True).crop.landmarks
    event = AuditEvent.objects.get(action="sample.rejected")
    assert curator.post(f"/api/v1/undo/{event.pk}").status_code == 200
    assert recognise(hopper_again)["faces"][0]["identity"]["name"] == "Grace"
    assert answer(first["id"])["faces"][0]["decision"] == "known"


def test_another_view_of_the_person_is_still_found(gallery, grace, recognise, hopper, collins):
    """A face nearer to the person's own samples than to the rejected face is still recognised as the person."""
    stranger_face = recognise(collins)
    curator = client_of(member(gallery, Role.CURATOR))
    curator.post(
        f"/api/v1/recognitions/{stranger_face['id']}/faces/0/reject", {"identity": str(grace.pk)}, format="json"
    )
    assert recognise(hopper)["faces"][0]["identity"]["name"] == "Grace"
    assert recognise(collins)["faces"][0]["candidates"] == []


def test_a_denied_rejection_changes_nothing(gallery, grace, recognise, hopper_again):
    first = recognise(hopper_again)
    address, body = f"/api/v1/recognitions/{first['id']}/faces/0/reject", {"identity": str(grace.pk)}
    events = AuditEvent.objects.count()
    for actor in (member(gallery, Role.VIEWER), stranger()):
        problem(client_of(actor).post(address, body, format="json"), 404, "not_found")
    curator = client_of(member(gallery, Role.CURATOR))
    elsewhere = {"identity": str(IdentityFactory().pk)}
    problem(curator.post(address, elsewhere, format="json"), 404, "not_found")
    problem(curator.post(address.replace("/0/", "/7/"), body, format="json"), 404, "not_found")
    assert FaceSample.objects.count() == 1 and AuditEvent.objects.count() == events


def test_the_page_has_the_button_and_the_undo(client, gallery, grace, recognise, hopper_again):
    first = recognise(hopper_again)
    client.force_login(member(gallery, Role.CURATOR).user)
    assert "not Grace" in client.get(f"/recognitions/{first['id']}/").content.decode()
    page = client.post(f"/recognitions/{first['id']}/faces/0/reject", {"identity": grace.pk}, follow=True)
    assert "this is not Grace" in page.content.decode() and "/undo/" in page.content.decode()


def test_past_answers_follow_merges_and_deletions(gallery, grace, recognise, hopper_again):
    first = recognise(hopper_again)
    other = SampleFactory(identity__gallery=gallery, identity__name="Rear Admiral Hopper").identity
    merge_identities(actor=SYSTEM, into=other, others=[grace])
    [face] = answer(first["id"])["faces"]
    assert face["identity"]["name"] == "Rear Admiral Hopper"
    assert [c["identity"]["name"] for c in face["candidates"]] == ["Rear Admiral Hopper"]
    delete_identity(actor=SYSTEM, identity=Identity.objects.get(pk=other.pk))
    [face] = answer(first["id"])["faces"]
    assert (face["decision"], face["identity"], face["candidates"]) == ("known", None, [])
