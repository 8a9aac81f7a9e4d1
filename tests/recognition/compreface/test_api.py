"""CompreFace's endpoints: shapes, codes, names. CompreFace's own client is tested in test_sdk.py."""

import base64
from threading import Thread

import pytest
from api_client import compreface_error, upload
from django.db import connection
from factories import GalleryFactory, IdentityFactory, SampleFactory, member, unit
from rest_framework.test import APIClient

from accounts.actor import system_actor
from accounts.keys.services import create_api_key, revoke_api_key
from accounts.models import AuditEvent, Membership
from accounts.roles import Role
from gallery.curation.history import undo
from gallery.curation.services import merge_identities
from gallery.models import FaceSample, Gallery, Identity
from recognition.compreface.parameters import CALCULATOR, PhotoOptions
from recognition.compreface.representation import recognised
from recognition.photos import queue
from recognition.photos.compiled_reads import RECOGNITION
from recognition.photos.models import RecognitionFace, RecognitionRequest

pytestmark = pytest.mark.django_db
SYSTEM = system_actor()
NO_SUCH = "0198c5a0-0000-7000-8000-000000000000"


@pytest.fixture
def gallery(db):
    return GalleryFactory(slug="staff")


@pytest.fixture
def client(gallery) -> APIClient:
    return client_with(key_of(member(gallery, Role.CURATOR), gallery))


def key_of(actor, gallery) -> str:
    return create_api_key(actor=SYSTEM, user=actor.user, gallery=gallery, scopes=["recognize", "read", "enrol"])[1]


def client_with(key: str) -> APIClient:
    return APIClient(raise_request_exception=False, HTTP_X_API_KEY=key)


def refusal(response, status: int, code: int) -> str:
    """Asserts that the answer is this error in CompreFace's shape; returns its message."""
    body = compreface_error(response)
    assert (response.status_code, body["code"]) == (status, code), body
    return body["message"]


def names(gallery) -> list[str]:
    return sorted(Identity.objects.filter(gallery=gallery).values_list("name", flat=True))


def post(client, address: str, body=None):
    return client.post(f"/api/v1/{address}", body, format="json")


def add_face(client, subject: str, photo: bytes, more: str = ""):
    return client.post(f"/api/v1/recognition/faces?subject={subject}{more}", {"file": upload(photo)})


# --- Photos -----------------------------------------------------------------------------------------------------------
def test_recognise_names_the_known_and_keeps_strangers_below_a_half(client, running_worker, hopper, both):
    added = add_face(client, "Grace", hopper)
    assert (added.status_code, set(added.json())) == (201, {"image_id", "subject"})
    IdentityFactory(gallery__slug="elsewhere", name="Grace")
    address = "/api/v1/recognition/recognize?prediction_count=2&face_plugins=landmarks,calculator,age&status=True"
    answer = client.post(address, {"file": upload(both)})
    assert answer.status_code == 200
    known, unknown = sorted(answer.json()["result"], key=lambda face: -face["subjects"][0]["similarity"])
    assert set(known) == {"box", "landmarks", "embedding", "execution_time", "subjects"}
    assert set(known["box"]) == {"probability", "x_max", "y_max", "x_min", "y_min"}
    assert 0 <= known["box"]["x_min"] < known["box"]["x_max"] <= 1024
    assert all(isinstance(value, int) for name, value in known["box"].items() if name != "probability")
    assert (len(known["landmarks"]), len(known["embedding"])) == (5, 128)
    assert set(known["execution_time"]) == {"detector", "calculator"}
    assert [subject["subject"] for subject in known["subjects"]] == ["Grace"]
    assert known["subjects"][0]["similarity"] > 0.9
    assert unknown["subjects"] == [{"subject": "Grace", "similarity": unknown["subjects"][0]["similarity"]}]
    assert unknown["subjects"][0]["similarity"] < 0.3
    assert answer.json()["plugins_versions"] == {"detector": "mtcnn", "calculator": "dlib-resnet"}
    short = post(client, "recognition/recognize?limit=1", {"file": base64.b64encode(both).decode()}).json()
    assert (set(short), len(short["result"]), set(short["result"][0])) == ({"result"}, 1, {"box", "subjects"})


def test_det_prob_threshold_counts_before_limit_and_when_a_face_is_added(client, running_worker, both, hopper):
    def faces(more):
        answer = client.post(f"/api/v1/detection/detect?{more}", {"file": upload(both)})
        return [face["box"]["probability"] for face in answer.json().get("result", [])]

    first, second = faces("")
    between = (first + second) / 2
    assert first != second
    assert faces(f"det_prob_threshold={between}&limit=1") == [max(first, second)]
    assert add_face(client, "One", both, f"&det_prob_threshold={between}").status_code == 201
    refusal(add_face(client, "Two", both), 400, 31)
    refusal(client.post("/api/v1/detection/detect?det_prob_threshold=1", {"file": upload(both)}), 400, 28)


def test_verify_two_photos_and_an_enrolled_face(client, running_worker, hopper, hopper_again, both, no_face):
    pair = {"source_image": upload(hopper), "target_image": upload(both)}
    address = "/api/v1/verification/verify?status=true&face_plugins=calculator,landmarks"
    [result] = client.post(address, pair).json()["result"]
    assert set(result) == {"source_image_face", "face_matches", "plugins_versions"}
    assert set(result["source_image_face"]) == {"box", "landmarks", "embedding", "execution_time"}
    same, other = result["face_matches"]
    assert same["similarity"] > 0.9 > 0.3 > other["similarity"]
    limited = client.post(
        "/api/v1/verification/verify?limit=1", {"source_image": upload(hopper), "target_image": upload(both)}
    )
    assert len(limited.json()["result"][0]["face_matches"]) == 1

    image_id = add_face(client, "Grace", hopper).json()["image_id"]
    body = {"file": base64.b64encode(hopper_again).decode()}
    [face] = post(client, f"recognition/faces/{image_id}/verify", body).json()["result"]
    assert (set(face), face["similarity"] > 0.9) == ({"box", "similarity"}, True)
    refusal(post(client, f"recognition/faces/{NO_SUCH}/verify", body), 404, 44)
    for source, target, code in ((no_face, hopper, 28), (hopper, no_face, 28), (both, hopper, 31)):
        pair = {"source_image": upload(source), "target_image": upload(target)}
        refusal(client.post("/api/v1/verification/verify?limit=1", pair), 400, code)


def test_by_embeddings(client, gallery):
    anna, bert = (IdentityFactory(gallery=gallery, name=name) for name in ("Anna", "Bert"))
    sample = SampleFactory(identity=anna, vector=unit(0, 0.5))
    SampleFactory(identity=bert, vector=unit(1, 0.5))
    near, far = unit(0, 0.4).tolist(), unit(7, 0.5).tolist()
    answer = post(client, "recognition/embeddings/recognize?prediction_count=2", {"embeddings": [near, far]}).json()
    first, second = answer["result"]
    assert (first["embedding"], [found["subject"] for found in first["similarities"]]) == (near, ["Anna", "Bert"])
    assert first["similarities"][0]["similarity"] > 0.99
    assert all(found["similarity"] < 0.5 for found in second["similarities"])
    once = post(client, "recognition/embeddings/recognize", {"embeddings": [near]}).json()["result"]
    assert [found["subject"] for found in once[0]["similarities"]] == ["Anna"]

    by_id = post(client, f"recognition/embeddings/faces/{sample.pk}/verify", {"embeddings": [far, near]}).json()
    assert [face["embedding"] for face in by_id["result"]] == [near, far]
    assert by_id["result"][0]["similarity"] > 0.99 > 0.5 > by_id["result"][1]["similarity"]
    by_vector = post(client, "verification/embeddings/verify", {"source": near, "targets": [far, near]}).json()
    assert [round(face["similarity"]) for face in by_vector["result"]] == [1, 0]
    refusal(post(client, "recognition/embeddings/recognize", {"embeddings": []}), 400, 37)
    refusal(post(client, "verification/embeddings/verify", {"source": near, "targets": []}), 400, 37)
    refusal(post(client, "recognition/embeddings/recognize", {"embeddings": [[1.0]]}), 400, 36)
    refusal(post(client, f"recognition/embeddings/faces/{NO_SUCH}/verify", {"embeddings": [near]}), 404, 44)


def test_the_same_name_is_proposed_once(client, gallery):
    for number in range(2):
        SampleFactory(identity=IdentityFactory(gallery=gallery, name="Anna"), vector=unit(number, 0.5))
    body = {"embeddings": [unit(0, 0.5).tolist()]}
    [face] = post(client, "recognition/embeddings/recognize?prediction_count=5", body).json()["result"]
    assert [found["subject"] for found in face["similarities"]] == ["Anna"]


@pytest.mark.parametrize(
    ("address", "body", "status", "code"),
    [
        ("recognition/recognize", {}, 400, 34),
        ("recognition/recognize", {"file": "no base64 at all"}, 400, 36),
        ("recognition/recognize", {"file": "anVuaw=="}, 400, 21),
        ("recognition/recognize?limit=-1", {"file": "anVuaw=="}, 400, 36),
        ("recognition/recognize?prediction_count=0", {"file": "anVuaw=="}, 400, 36),
        ("detection/detect?det_prob_threshold=1.5", {"file": "anVuaw=="}, 400, 36),
        ("detection/detect?det_prob_threshold=nan", {"file": "anVuaw=="}, 400, 36),
        ("detection/detect?status=perhaps", {"file": "anVuaw=="}, 400, 36),
        ("verification/verify", {"source_image": "anVuaw=="}, 400, 34),
        ("recognition/faces", {"file": "anVuaw=="}, 400, 33),
        ("recognition/faces?subject=%20", {"file": "anVuaw=="}, 400, 26),
        ("recognition/faces?subject=Anna", {"file": "anVuaw=="}, 400, 21),
        ("recognition/faces/delete", {"ids": []}, 400, 36),
        ("recognition/subjects", {}, 400, 26),
        ("recognition/subjects", {"subject": None}, 400, 26),
        ("recognition/subjects", {"subject": {"name": "Anna"}}, 400, 26),
        ("recognition/subjects", {"subject": "x" * 201}, 400, 26),
        ("recognition/subjects", {"subject": "A\0B"}, 400, 26),
        ("recognition/faces?subject=A%00B", {"file": "anVuaw=="}, 400, 26),
        ("recognition/recognize", [], 400, 36),
        ("recognition/recognize", "photo", 400, 36),
        ("recognition/embeddings/recognize", {"embeddings": {"a": 1}}, 400, 36),
        ("recognition/embeddings/recognize", {"embeddings": [[None]]}, 400, 36),
        ("recognition/embeddings/recognize", {"embeddings": [[10**400]]}, 400, 36),
        ("verification/embeddings/verify", {"source": [1], "targets": [["nan"] * 128]}, 400, 36),
        ("recognition/subjects", ["Anna"], 400, 26),
        ("recognition/embeddings/recognize", {}, 400, 34),
        ("recognition/faces/no-id/verify", {"file": "anVuaw=="}, 404, 44),
    ],
)
def test_bad_input_changes_nothing(client, gallery, living_worker, address, body, status, code):
    refusal(post(client, address, body), status, code)
    assert (names(gallery), RecognitionRequest.objects.count()) == ([], 0)


def test_too_large_and_wrong_content_and_method(client, living_worker, hopper, settings):
    settings.MAX_PHOTO_BYTES = 1000
    refusal(client.post("/api/v1/recognition/recognize", {"file": upload(hopper)}), 413, 0)
    refusal(client.post("/api/v1/recognition/recognize", "x", content_type="text/plain"), 415, 0)
    refusal(client.post("/api/v1/recognition/recognize", "{", content_type="application/json"), 400, 36)
    lone_surrogate = r'{"subject": "\ud800"}'
    refusal(client.post("/api/v1/recognition/subjects", lone_surrogate, content_type="application/json"), 400, 36)
    refusal(client.get("/api/v1/recognition/recognize"), 405, 0)
    refusal(client.get("/api/v1/recognition/faces?subject=A%00B"), 400, 36)
    refusal(client.delete("/api/v1/recognition/subjects/A%00B"), 400, 26)
    refusal(client.post("/api/v1/recognition/recognize", {f"field{number}": "" for number in range(1001)}), 400, 36)
    half_a_pair = client.generic(
        "GET", "/api/v1/recognition/faces?subject=%2B2AA-", content_type="text/plain; charset=utf-7"
    )
    refusal(half_a_pair, 400, 36)


def test_without_a_worker_it_says_so_at_once(client, gallery, hopper):
    response = add_face(client, "Grace", hopper)
    assert "worker" in refusal(response, 503, 41)
    assert response["Retry-After"] == "10"
    assert names(gallery) == []


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


# --- Who may ----------------------------------------------------------------------------------------------------------
def test_the_key(gallery, client):
    def list_with(**headers):
        return APIClient(**headers).get("/api/v1/recognition/subjects")

    assert "x-api-key" in refusal(list_with(), 400, 20)
    refusal(list_with(HTTP_X_API_KEY="00000000-0000-0000-0000-000000000002"), 404, 10)
    curator = member(gallery, Role.CURATOR)
    everywhere = key_of(curator, None)
    assert "--gallery" in refusal(list_with(HTTP_X_API_KEY=everywhere), 404, 10)
    row, key = create_api_key(actor=SYSTEM, user=curator.user, gallery=gallery, scopes=["read"])
    refusal(list_with(HTTP_AUTHORIZATION=f"Bearer {key}"), 400, 20)
    assert list_with(HTTP_X_API_KEY=key).status_code == 200
    Membership.objects.filter(user=curator.user).delete()
    refusal(list_with(HTTP_X_API_KEY=key), 404, 10)
    revoke_api_key(actor=SYSTEM, api_key=row)
    refusal(list_with(HTTP_X_API_KEY=key), 404, 10)


def test_another_gallerys_faces_are_not_there(client):
    sample = SampleFactory(vector=unit(0))
    address = f"recognition/faces/{sample.pk}"
    refusal(client.delete(f"/api/v1/{address}"), 404, 44)
    refusal(post(client, f"recognition/embeddings/faces/{sample.pk}/verify", {"embeddings": [[0.1] * 128]}), 404, 44)
    assert client.get(f"/api/v1/{address}/img").content == b""
    assert post(client, "recognition/faces/delete", [str(sample.pk)]).json() == []
    assert FaceSample.objects.get() == sample


def test_a_recognition_has_the_vectors_of_its_own_faces():
    """Not those of another gallery's, under the same index."""
    rows = []
    for number in range(2):
        row = RecognitionRequest.objects.create(
            gallery=GalleryFactory(), pack="dlib-resnet", photo=b"x", image_width=100, image_height=100
        )
        RecognitionFace.objects.create(
            request=row, index=0, box=[10, 10, 50, 50], landmarks=[[0, 0]] * 5, detection_score=0.9, quality_score=0.9,
            crop=b"x", crop_landmarks=[[0, 0]] * 5, decision="unknown", vector=unit(number),
        )  # fmt: skip
        rows.append(row)
    wish = PhotoOptions(
        limit=0, det_prob_threshold=None, prediction_count=1, status=False, plugins=frozenset([CALCULATOR])
    )
    for number, row in enumerate(rows):
        [face] = recognised(RECOGNITION.find(SYSTEM, row.pk), wish)["result"]
        assert face["embedding"] == unit(number).tolist()


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
