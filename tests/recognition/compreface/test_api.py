"""CompreFace's endpoints for photos: shapes, codes, names; and who may. CompreFace's own client is tested in test_sdk.py."""

import base64

import pytest
from api_client import upload
from compreface_calls import SYSTEM, add_face, key_of, names, post, refusal
from factories import GalleryFactory, IdentityFactory, SampleFactory, member, unit
from rest_framework.test import APIClient

from accounts.keys.services import create_api_key, revoke_api_key
from accounts.models import Membership
from accounts.roles import Role
from gallery.models import FaceSample
from recognition.compreface.parameters import CALCULATOR, PhotoOptions
from recognition.compreface.representation import recognised
from recognition.photos.compiled_reads import RECOGNITION
from recognition.photos.models import RecognitionFace, RecognitionRequest

pytestmark = pytest.mark.django_db
NO_SUCH = "0198c5a0-0000-7000-8000-000000000000"


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
