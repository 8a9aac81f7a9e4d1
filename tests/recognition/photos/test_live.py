"""Live recognition: many pictures of a video, of which nothing is kept or listed."""

from datetime import timedelta

import pytest
from api_client import NOW, client_of, problem, upload
from django.utils import timezone
from factories import GalleryFactory, IdentityFactory, member
from subjects import erase

from accounts.actor import system_actor
from accounts.models import AuditEvent, Look
from accounts.roles import Role
from recognition.analysis.services import delete_old_analyses
from recognition.photos.models import RecognitionFace, RecognitionRequest
from recognition.photos.services import Photo, submit_enrolment

pytestmark = pytest.mark.django_db


@pytest.fixture
def grace(living_worker, worker, hopper):
    person = IdentityFactory(gallery=GalleryFactory(slug="staff", keep_photos=True), name="Grace Hopper")
    submit_enrolment(actor=system_actor(), identity=person, photos=[Photo("a.jpg", hopper)], needs_worker=False)
    assert worker.run_once() == 1
    return person


def sent(client, photo: bytes, **fields):
    values = {"gallery": "staff", "photo": upload(photo), "live": "true"} | fields
    return client.post("/api/v1/recognitions", values, **NOW)


def test_it_says_who_it_is_and_keeps_nothing(grace, worker, hopper_again):
    viewer = member(grace.gallery, Role.VIEWER)
    client = client_of(viewer)
    answers = [sent(client, hopper_again, keep_photo="true") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202] * 3
    assert worker.run_once() == 3
    [face] = client.get(answers[0]["Location"]).json()["faces"]
    assert (face["decision"], face["identity"]["name"]) == ("known", "Grace Hopper")
    faces = RecognitionFace.objects.filter(request__purpose="live")
    assert {(bytes(row.crop), row.vector, str(row.crop_landmarks)) for row in faces} == {(b"", None, "[]")}
    assert set(RecognitionRequest.objects.filter(purpose="live").values_list("photo", "keep_photo")) == {(None, False)}
    assert client.get("/api/v1/recognitions").json()["results"] == []
    pk = answers[0].json()["id"]
    assert client.get(f"/recognitions/{pk}/").status_code == 404
    assert "/recognitions/0" not in client.get("/galleries/staff/recognitions").content.decode()
    problem(client_of(member(grace.gallery, Role.VIEWER)).get(answers[0]["Location"]), 404, "not_found")

    events = AuditEvent.objects.filter(user=viewer.user)
    assert list(events.values_list("action", "object_id")) == [("recognition.live", str(grace.gallery_id))]
    look = Look.objects.get(user=viewer.user, kind="person")
    assert (look.object_id, look.via) == (str(grace.pk), "api")

    RecognitionRequest.objects.update(finished_at=timezone.now() - timedelta(minutes=59))
    assert delete_old_analyses() == 0
    RecognitionRequest.objects.update(finished_at=timezone.now() - timedelta(minutes=61))
    assert delete_old_analyses() == 3
    assert not RecognitionRequest.objects.filter(purpose="live").exists()


def test_it_is_counted_as_any_call_is(grace, hopper_again, settings):
    settings.USER_RATE = 2
    client = client_of(member(grace.gallery, Role.VIEWER))
    assert [sent(client, hopper_again).status_code for _ in range(3)] == [202, 202, 429]
    assert sent(client, hopper_again)["Retry-After"]


def test_an_erasure_finds_it(grace, worker, hopper_again):
    sent(client_of(member(grace.gallery, Role.VIEWER)), hopper_again)
    assert worker.run_once() == 1
    erase(grace)
    assert not RecognitionRequest.objects.filter(purpose="live").exists()
    assert not Look.objects.filter(object_id=str(grace.pk)).exists()
