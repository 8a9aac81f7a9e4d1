"""Detections, embeddings, comparisons and searches by vector, over REST with the real pack."""

import json
from datetime import timedelta

import numpy as np
import pytest
from api_client import NOW, client_of, problem, upload
from django.utils import timezone
from factories import GalleryFactory, IdentityFactory, SampleFactory, member, stranger, unit

from accounts.actor import Actor, Via, system_actor
from accounts.keys.services import create_api_key
from accounts.models import AuditEvent
from accounts.roles import Role, Scope
from faceplatform.errors import DomainError
from recognition.analysis.services import delete_old_analyses, search_vectors
from recognition.photos.models import RecognitionFace, RecognitionRequest
from recognition.photos.services import Photo, submit_enrolment

pytestmark = pytest.mark.django_db


@pytest.fixture
def gallery(living_worker):
    return GalleryFactory(slug="staff")


@pytest.fixture
def viewer(gallery):
    return client_of(member(gallery, Role.VIEWER))


def ask(client, worker, what: str, **body):
    """The answer to a POST, after the worker has processed it."""
    first = client.post(f"/api/v1/{what}", {"gallery": "staff"} | body, **NOW)
    assert (first.status_code, first.json()["status"]) == (202, "queued"), first.content
    assert worker.run_once() > 0
    return client.get(first["Location"])


def test_detect_finds_every_face_and_keeps_no_picture(viewer, worker, both, no_face):
    answer = ask(viewer, worker, "detections", photo=upload(both)).json()
    assert (answer["status"], answer["image"]) == ("done", {"width": 1024, "height": 600})
    assert [face["usable"] for face in answer["faces"]] == [True, True]
    assert set(answer["faces"][0]) == {"index", "box", "landmarks", "detection_score", "quality", "usable"}
    row = RecognitionRequest.objects.get(pk=answer["id"])
    assert (row.photo, row.keep_photo) == (None, False)
    assert {(bytes(face.crop), face.vector) for face in row.faces.all()} == {(b"", None)}
    assert ask(viewer, worker, "detections", photo=upload(both), max_faces=1).json()["faces"] == answer["faces"][:1]
    nothing = ask(viewer, worker, "detections", photo=upload(no_face))
    assert (nothing.status_code, nothing.json()["faces"]) == (200, [])


def test_embeddings_find_the_person_again(viewer, gallery, worker, hopper, no_face):
    person = IdentityFactory(gallery=gallery, name="Grace")
    submit_enrolment(actor=system_actor(), identity=person, photos=[Photo("a.jpg", hopper)], needs_worker=False)
    worker.run_once()
    [face] = ask(viewer, worker, "embeddings", photo=upload(hopper)).json()["faces"]
    assert len(face["embedding"]) == 128
    found = viewer.post("/api/v1/searches", {"gallery": "staff", "vector": face["embedding"]}, format="json").json()
    assert (found["decision"], found["identity"]["name"], found["margin"]) == ("known", "Grace", None)
    assert found["candidates"][0]["distance"] < found["threshold"]["distance"]
    event = AuditEvent.objects.get(action="vector.searched")
    assert event.details == {"vectors": 1, "identities": [str(person.pk)]}
    problem(ask(viewer, worker, "embeddings", photo=upload(no_face)), 422, "face_not_found")


def test_compare_two_photos(viewer, worker, hopper_again, hopper, both, no_face):
    answer = ask(viewer, worker, "comparisons", photo=upload(both), reference=upload(hopper)).json()
    assert answer["threshold"] == {"distance": pytest.approx(0.6, abs=0.2), "source": "pack"}
    same, different = answer["matches"]
    assert (same["decision"], different["decision"]) == ("same", "different")
    assert same["distance"] < answer["threshold"]["distance"] < different["distance"]
    assert same["score"] > 0.5 > different["score"]
    assert answer["reference"]["usable"]
    strict = ask(viewer, worker, "comparisons", photo=upload(hopper_again), reference=upload(hopper), threshold=0.001)
    assert strict.json()["matches"][0]["decision"] == "different"
    assert strict.json()["threshold"] == {"distance": 0.001, "source": "request"}
    for photo, reference, code in (
        (no_face, hopper, "face_not_found"),
        (hopper, no_face, "face_not_found"),
        (hopper, both, "multiple_faces"),
    ):
        refused = ask(viewer, worker, "comparisons", photo=upload(photo), reference=upload(reference))
        assert ("reference" in problem(refused, 422, code)["detail"]) == (reference != hopper)


def test_compare_with_somebody_enrolled(viewer, gallery, worker, hopper, hopper_again):
    person = IdentityFactory(gallery=gallery)
    submit_enrolment(actor=system_actor(), identity=person, photos=[Photo("a.jpg", hopper)], needs_worker=False)
    worker.run_once()
    far = SampleFactory(identity=person, vector=unit(0))
    near = person.samples.exclude(pk=far.pk).get()
    answer = ask(viewer, worker, "comparisons", photo=upload(hopper_again), identity=str(person.pk)).json()
    assert (answer["matches"][0]["decision"], answer["matches"][0]["sample_id"]) == ("same", str(near.pk))
    answer = ask(viewer, worker, "comparisons", photo=upload(hopper_again), sample=str(far.pk)).json()
    assert (answer["matches"][0]["decision"], answer["matches"][0]["sample_id"]) == ("different", str(far.pk))
    nobody = IdentityFactory(gallery=gallery)
    refused = ask(viewer, worker, "comparisons", photo=upload(hopper), identity=str(nobody.pk))
    problem(refused, 422, "face_not_found")


def test_bad_input_queues_nothing(viewer, gallery, hopper):
    elsewhere = IdentityFactory()
    for what, body, status in (
        ("detections", {"photo": upload(b"junk")}, 422),
        ("detections", {"photo": upload(hopper), "max_faces": 0}, 400),
        ("comparisons", {"photo": upload(hopper)}, 400),
        ("comparisons", {"photo": upload(hopper), "identity": str(elsewhere.pk)}, 404),
        ("comparisons", {"photo": upload(hopper), "reference": upload(b"junk")}, 422),
        ("comparisons", {"photo": upload(hopper), "reference": upload(hopper), "threshold": 3}, 400),
    ):
        response = viewer.post(f"/api/v1/{what}", {"gallery": "staff"} | body, **NOW)
        assert response.status_code == status, response.content
    assert RecognitionRequest.objects.count() == 0


@pytest.mark.parametrize("vector", [[], [1.0], [0.0] * 128, [float("nan")] * 128, [1e30] * 128, [1e300] * 128])
def test_a_vector_is_one_of_the_pack(viewer, vector):
    body = json.dumps({"gallery": "staff", "vector": vector})
    problem(viewer.post("/api/v1/searches", body, content_type="application/json"), 400, "invalid_input")


def test_a_stranger_is_unknown_and_nobody_is_found_in_an_empty_gallery(viewer, gallery):
    body = {"gallery": "staff", "vector": unit(3).tolist()}
    empty = viewer.post("/api/v1/searches", body, format="json").json()
    assert (empty["decision"], empty["candidates"]) == ("unknown", [])
    SampleFactory(identity=IdentityFactory(gallery=gallery), vector=unit(4))
    found = viewer.post("/api/v1/searches", body, format="json").json()
    assert (found["decision"], found["identity"]) == ("unknown", None)
    assert found["candidates"][0]["distance"] == pytest.approx(2**0.5, abs=1e-3)


BODIES = {
    "detections": lambda photo: {"photo": upload(photo)},
    "embeddings": lambda photo: {"photo": upload(photo)},
    "comparisons": lambda photo: {"photo": upload(photo), "reference": upload(photo)},
    "searches": lambda photo: {"vector": unit(0).tolist()},
}


@pytest.mark.parametrize("what", BODIES)
def test_access(what, gallery, hopper):
    """It needs the scope recognize and a role in the gallery; a denial leaves nothing behind."""

    def post(actor, scope=None):
        client = client_of(actor)
        headers = {}
        if scope:
            client.logout()
            headers = {
                "HTTP_AUTHORIZATION": f"Bearer {create_api_key(actor=actor, user=actor.user, scopes=[scope])[1]}"
            }
        before = RecognitionRequest.objects.count(), AuditEvent.objects.filter(action__endswith=".requested").count()
        kind = "json" if what == "searches" else "multipart"
        response = client.post(
            f"/api/v1/{what}", {"gallery": "staff"} | BODIES[what](hopper), format=kind, **NOW, **headers
        )
        after = RecognitionRequest.objects.count(), AuditEvent.objects.filter(action__endswith=".requested").count()
        assert (before == after) == (response.status_code >= 400 or what == "searches")
        return response.status_code

    accepted = 200 if what == "searches" else 202
    assert post(stranger()) == 404
    for role in Role:
        assert post(member(gallery, role)) == accepted
    viewer = member(gallery, Role.VIEWER)
    assert {scope: post(viewer, scope) for scope in Scope} == dict.fromkeys(Scope, 403) | {Scope.RECOGNIZE: accepted}


def test_an_answer_is_visible_to_its_requester_and_to_curators(viewer, gallery, worker, hopper):
    first = ask(viewer, worker, "detections", photo=upload(hopper)).json()
    address = f"/api/v1/detections/{first['id']}"
    problem(client_of(member(gallery, Role.VIEWER)).get(address), 404, "not_found")
    problem(viewer.get(f"/api/v1/embeddings/{first['id']}"), 404, "not_found")
    problem(viewer.get(f"/api/v1/recognitions/{first['id']}"), 404, "not_found")
    assert client_of(member(gallery, Role.CURATOR)).get(address).json() == first
    viewer.logout()
    requester = RecognitionRequest.objects.get().requested_by
    for scope in Scope:
        _, key = create_api_key(actor=system_actor(), user=requester, scopes=[scope])
        viewer.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
        assert viewer.get(address).status_code == (200 if scope == Scope.RECOGNIZE else 403)


def test_the_reference_is_no_comparison_of_its_own(viewer, worker, hopper):
    ask(viewer, worker, "comparisons", photo=upload(hopper), reference=upload(hopper))
    rows = {bool("reference" in row.options): row.pk for row in RecognitionRequest.objects.all()}
    problem(viewer.get(f"/api/v1/comparisons/{rows[False]}"), 404, "not_found")


def test_answers_are_deleted_after_an_hour_and_recognitions_stay(viewer, worker, hopper):
    ask(viewer, worker, "embeddings", photo=upload(hopper))
    ask(viewer, worker, "recognitions", photo=upload(hopper))
    assert delete_old_analyses() == 0
    RecognitionRequest.objects.update(finished_at=timezone.now() - timedelta(hours=2))
    assert delete_old_analyses() == 1
    assert RecognitionRequest.objects.get().purpose == "recognize"
    assert RecognitionFace.objects.count() == 1


def test_a_cosine_packs_vectors_are_taken_at_unit_length(gallery, monkeypatch):
    """If the pack's vectors have unit length, the length of the caller's vector does not matter."""
    from dataclasses import replace

    from recognition.analysis import services

    cosine = replace(services.manifest_of("dlib-resnet"), metric="cosine")
    monkeypatch.setattr(services, "manifest_of", lambda pack: cosine)
    SampleFactory(identity=IdentityFactory(gallery=gallery), vector=unit(1))
    actor = Actor(user=member(gallery, Role.VIEWER).user, via=Via.API)
    [found] = search_vectors(actor=actor, gallery=gallery, vectors=[unit(1, length=7.0)])
    assert found.verdict.matches[0].distance == pytest.approx(0, abs=1e-6)
    with pytest.raises(DomainError):
        search_vectors(actor=actor, gallery=gallery, vectors=[np.zeros(128)])
