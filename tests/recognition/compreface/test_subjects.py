"""CompreFace's subjects and their faces."""

from threading import Thread

import pytest
from compreface_calls import SYSTEM, add_face, names, post, refusal
from django.db import connection
from factories import IdentityFactory, SampleFactory

from accounts.models import AuditEvent
from gallery.curation.history import undo
from gallery.curation.services import merge_identities
from gallery.models import FaceSample, Gallery, Identity
from recognition.photos import queue
from recognition.photos.models import RecognitionRequest

pytestmark = pytest.mark.django_db
NO_SUCH = "0198c5a0-0000-7000-8000-000000000000"


# --- Subjects ---------------------------------------------------------------------------------------------------------
def test_subjects_from_adding_to_deleting(client, gallery):
    assert (post(client, "recognition/subjects", {"subject": " Anna "}).json()) == {"subject": "Anna"}
    assert post(client, "recognition/subjects", {"subject": "Åsa/Bo 木"}).status_code == 201
    refusal(post(client, "recognition/subjects", {"subject": "anna"}), 400, 43)
    assert client.get("/api/v1/recognition/subjects/").json() == {"subjects": ["Anna", "Åsa/Bo 木"]}

    def rename(name, new):
        return client.put(f"/api/v1/recognition/subjects/{name}", {"subject": new}, format="json")

    assert rename("Åsa/Bo 木", "Åsa").json() == {"updated": True}
    assert rename("ANNA", "anna").json() == {"updated": True}
    assert rename("anna", "anna").json() == {"updated": False}
    refusal(rename("nobody", "Anna"), 404, 42)
    refusal(rename("anna", " "), 400, 26)
    assert names(gallery) == ["anna", "Åsa"]
    assert client.delete("/api/v1/recognition/subjects/Anna").json() == {"subject": "anna"}
    refusal(client.delete("/api/v1/recognition/subjects/Anna"), 404, 42)
    IdentityFactory(gallery=gallery)
    elsewhere = IdentityFactory()
    assert client.delete("/api/v1/recognition/subjects").json() == {"deleted": 2}
    assert (names(gallery), Identity.objects.get()) == ([], elsewhere)
    undo(actor=SYSTEM, event=AuditEvent.objects.get(action="identity.deleted", object_name="Åsa"))
    assert names(gallery) == ["Åsa"]


def test_a_subject_in_the_address_is_taken_to_its_end(client, gallery):
    for name in ("A", "A/", "A\nB"):
        IdentityFactory(gallery=gallery, name=name)
    assert client.delete("/api/v1/recognition/subjects/A%2F").json() == {"subject": "A/"}
    address = "/api/v1/recognition/subjects/A%0AB"
    assert client.put(address, {"subject": "B"}, format="json").json() == {"updated": True}
    assert names(gallery) == ["A", "B"]


def test_renaming_to_somebody_merges_and_can_be_undone(client, gallery):
    anna, ana = (IdentityFactory(gallery=gallery, name=name) for name in ("Anna", "Ana"))
    sample = SampleFactory(identity=ana)
    answer = client.put("/api/v1/recognition/subjects/Ana", {"subject": "ANNA"}, format="json")
    assert answer.json() == {"updated": True}
    assert (names(gallery), FaceSample.objects.get(pk=sample.pk).identity_id) == (["Anna"], anna.pk)
    event = AuditEvent.objects.get(action="identity.merged")
    undo(actor=SYSTEM, event=event)
    assert names(gallery) == ["Ana", "Anna"]


def test_a_name_of_two_people_changes_nobody(client, gallery, living_worker, hopper):
    for name in ("Anna", "Anna", "Bert"):
        IdentityFactory(gallery=gallery, name=name)
    before = list(Identity.with_deleted.order_by("pk").values())
    assert client.get("/api/v1/recognition/subjects").json() == {"subjects": ["Anna", "Bert"]}
    for response in (
        client.delete("/api/v1/recognition/subjects/Anna"),
        client.delete("/api/v1/recognition/faces?subject=Anna"),
        client.put("/api/v1/recognition/subjects/Anna", {"subject": "Carl"}, format="json"),
        client.put("/api/v1/recognition/subjects/Bert", {"subject": "Anna"}, format="json"),
        add_face(client, "Anna", hopper),
    ):
        assert "2 people" in refusal(response, 400, 36)
    refusal(post(client, "recognition/subjects", {"subject": "Anna"}), 400, 43)
    assert list(Identity.with_deleted.order_by("pk").values()) == before
    assert RecognitionRequest.objects.count() == 0


# --- Faces ------------------------------------------------------------------------------------------------------------
def test_faces_are_listed_by_page_and_deleted(client, gallery):
    anna, bert = (IdentityFactory(gallery=gallery, name=name) for name in ("Anna", "Bert"))
    rows = [SampleFactory(identity=person) for person in (anna, bert, anna)]
    SampleFactory(identity=anna, rejected=True)
    SampleFactory()
    shown = [{"image_id": str(row.pk), "subject": row.identity.name} for row in rows]

    def listed(query=""):
        return client.get(f"/api/v1/recognition/faces?{query}").json()

    counts = {"page_number": 0, "page_size": 20, "total_pages": 1, "total_elements": 3}
    assert listed() == {"faces": shown} | counts
    assert listed("page=1&size=2") == {"faces": shown[2:]} | counts | {
        "page_number": 1,
        "page_size": 2,
        "total_pages": 2,
    }
    assert listed("page=7")["faces"] == []
    assert listed("subject=anna")["faces"] == [shown[0], shown[2]]
    assert listed("subject=nobody")["total_elements"] == 0
    refusal(client.get("/api/v1/recognition/faces?page=x"), 400, 36)

    image = client.get(f"/api/v1/recognition/faces/{rows[0].pk}/img")
    assert (image["Content-Type"], image.content) == ("image/jpeg", b"\xff\xd8")
    assert client.get(f"/api/v1/recognition/faces/{NO_SUCH}/img").content == b""

    assert client.delete(f"/api/v1/recognition/faces/{rows[0].pk}").json() == shown[0]
    refusal(client.delete(f"/api/v1/recognition/faces/{rows[0].pk}"), 404, 44)
    ids = [str(rows[1].pk), NO_SUCH, "no id", None, str(rows[0].pk)]
    assert post(client, "recognition/faces/delete", ids).json() == [shown[1]]
    assert client.delete("/api/v1/recognition/faces?subject=Anna").json() == {"deleted": 1}
    assert client.delete("/api/v1/recognition/faces?subject=Anna").json() == {"deleted": 0}
    assert names(gallery) == ["Bert"]
    assert client.delete("/api/v1/recognition/faces").json() == {"deleted": 0}
    assert (names(gallery), FaceSample.objects.count()) == ([], 1)


def test_a_refused_photo_leaves_no_subject_and_a_repeated_one_no_double(
    client, gallery, running_worker, hopper, no_face, both
):
    refusal(add_face(client, "Grace", no_face), 400, 28)
    refusal(add_face(client, "Grace", both), 400, 31)
    assert names(gallery) == []
    first = add_face(client, "Grace", hopper).json()
    refusal(add_face(client, "Grace", no_face), 400, 28)
    assert add_face(client, "grace", hopper).json() == first
    assert "looks more like Grace" in refusal(add_face(client, "Somebody", hopper), 400, 0)
    assert (names(gallery), FaceSample.objects.count()) == (["Grace"], 1)


def test_people_merged_and_faces_deleted_before_the_answer(
    client, gallery, living_worker, instant_worker, hopper, monkeypatch
):
    Gallery.objects.update(quality_gate="off")
    anna, grace = (IdentityFactory(gallery=gallery, name=name) for name in ("Anna", "Grace"))
    first = add_face(client, "Anna", hopper).json()
    real_arrival_of = queue.arrival_of

    def merge_then_wait(ids):
        merge_identities(actor=SYSTEM, into=anna, others=[grace])
        return real_arrival_of(ids)

    def wait_then_delete(ids):
        arrival = real_arrival_of(ids)
        FaceSample.objects.all().delete()
        return arrival

    monkeypatch.setattr(queue, "arrival_of", merge_then_wait)
    assert add_face(client, "Grace", hopper).json() == first
    monkeypatch.setattr(queue, "arrival_of", wait_then_delete)
    refusal(add_face(client, "Anna", hopper), 404, 44)


def test_many_photos_of_a_new_subject_at_once_make_one_person(client, gallery, running_worker, hopper, hopper_again):
    answers = []

    def add(photo):
        answers.append(add_face(client, "Grace", photo))
        connection.close()

    threads = [Thread(target=add, args=(photo,)) for photo in (hopper, hopper_again, hopper, hopper_again)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [201] * 4
    assert (names(gallery), FaceSample.objects.count()) == (["Grace"], 2)


# --- Names, however they are typed ---
def test_a_subject_typed_decomposed_is_the_same_subject(client, gallery):
    assert post(client, "recognition/subjects", {"subject": "Zoe\u0308"}).json() == {"subject": "Zoë"}
    for typed in ("Zoë", "ZOE\u0308", "Zoe\u0308\u200b"):
        refusal(post(client, "recognition/subjects", {"subject": typed}), 400, 43)
    assert post(client, "recognition/subjects", {"subject": "Zoe"}).status_code == 201  # somebody else
    refusal(post(client, "recognition/subjects", {"subject": "Zo\x1be"}), 400, 36)
    assert names(gallery) == ["Zoe", "Zoë"]
    renamed = client.put("/api/v1/recognition/subjects/Zoe%CC%88", {"subject": "Chloe\u0301"}, format="json")
    assert renamed.status_code == 200 and names(gallery) == ["Chloé", "Zoe"]
