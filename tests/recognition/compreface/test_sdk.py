"""CompreFace's own Python SDK from PyPI, unmodified, against a running server with a worker."""

import json
from urllib.parse import urlsplit

import pytest
from compreface import CompreFace
from factories import GalleryFactory, member

from accounts.actor import system_actor
from accounts.keys.services import create_api_key
from accounts.models import ApiKey, AuditEvent
from accounts.roles import Role
from gallery.models import Identity

OPTIONS = {"limit": 0, "prediction_count": 2, "face_plugins": "landmarks,calculator,age,gender,mask", "status": "true"}


@pytest.fixture
def gallery(transactional_db):
    return GalleryFactory(slug="staff")


@pytest.fixture
def services(gallery, running_worker, live_server):
    """The SDK's recognition, verification and detection services, with one key."""
    curator = member(gallery, Role.CURATOR).user
    scopes = ["recognize", "read", "enrol"]
    _, key = create_api_key(actor=system_actor(), user=curator, gallery=gallery, scopes=scopes)
    address = urlsplit(live_server.url)
    sdk = CompreFace(f"{address.scheme}://{address.hostname}", str(address.port), OPTIONS)
    return sdk.init_face_recognition(key), sdk.init_face_verification(key), sdk.init_face_detection(key)


@pytest.fixture
def files(tmp_path, hopper, hopper_again, collins, both, no_face) -> dict[str, str]:
    """Photos on disk, as the SDK takes them."""
    photos = {"hopper": hopper, "hopper_again": hopper_again, "collins": collins, "both": both, "no_face": no_face}
    for name, data in photos.items():
        (tmp_path / f"{name}.jpg").write_bytes(data)
    return {name: str(tmp_path / f"{name}.jpg") for name in photos}


def show(what: str, answer: dict) -> dict:
    """Prints an answer, long lists cut: `pytest -s` shows what the SDK got."""

    def short(value):
        if isinstance(value, list) and len(value) > 8:
            return [*value[:2], f"… {len(value)} in all"]
        if isinstance(value, dict):
            return {name: short(inner) for name, inner in value.items()}
        return [short(inner) for inner in value] if isinstance(value, list) else value

    print(f"{what}: {json.dumps(short(answer), ensure_ascii=False)}")
    return answer


def best(face: dict) -> tuple[str, bool]:
    """The subject a face is most similar to, and whether that reaches CompreFace's usual threshold."""
    return face["subjects"][0]["subject"], face["subjects"][0]["similarity"] >= 0.5


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # the SDK leaves that to Python
def test_the_sdk_enrols_recognises_verifies_lists_renames_and_deletes(services, files, gallery):
    recognition, verification, detection = services
    faces, subjects = recognition.get_face_collection(), recognition.get_subjects()

    assert show("add subject", subjects.add("Eileen Collins")) == {"subject": "Eileen Collins"}
    assert show("add it again", subjects.add("Eileen Collins"))["code"] == 43
    hopper = show("add face", faces.add(files["hopper"], "Grace Hopper", {"det_prob_threshold": 0.8}))
    assert hopper["subject"] == "Grace Hopper"
    assert show("list subjects", subjects.list()) == {"subjects": ["Eileen Collins", "Grace Hopper"]}

    two = show("recognise two, one enrolled", recognition.recognize(files["both"]))
    assert {best(face)[1] for face in two["result"]} == {True, False}
    collins = show("add face", faces.add(files["collins"], "Eileen Collins"))
    two = recognition.recognize(files["both"])
    assert sorted(best(face) for face in two["result"]) == [("Eileen Collins", True), ("Grace Hopper", True)]
    listed = show("list faces", faces.list())
    assert listed["faces"] == [hopper, collins]
    assert show("no face", recognition.recognize(files["no_face"]))["code"] == 28

    found = show("detect", detection.detect(files["both"]))
    assert {len(face["embedding"]) for face in found["result"]} == {128}
    [pair] = show("verify two photos", verification.verify(files["hopper"], files["both"]))["result"]
    assert [round(match["similarity"]) for match in pair["face_matches"]] == [1, 0]
    with open(files["hopper_again"], "rb") as file:  # noqa: PTH123 - the SDK takes paths and bytes
        [same] = show("verify an enrolled face", faces.verify(file.read(), hopper["image_id"]))["result"]
    assert same["similarity"] > 0.9

    assert show("rename", subjects.update("Grace Hopper", "Rear Admiral Hopper")) == {"updated": True}
    assert best(recognition.recognize(files["hopper_again"])["result"][0]) == ("Rear Admiral Hopper", True)
    assert show("rename to somebody: merge", subjects.update("Eileen Collins", "Rear Admiral Hopper"))["updated"]
    assert show("list faces", faces.list())["total_elements"] == 2

    moved = {"image_id": collins["image_id"], "subject": "Rear Admiral Hopper"}
    assert show("delete face", faces.delete(collins["image_id"])) == moved
    assert show("delete it again", faces.delete(collins["image_id"]))["code"] == 44
    assert show("delete a subject's faces", faces.delete_all("Rear Admiral Hopper")) == {"deleted": 1}
    subjects.add("Somebody")
    assert show("delete subject", subjects.delete("Somebody")) == {"subject": "Somebody"}
    subjects.add("Somebody else")
    assert show("delete all subjects", subjects.delete_all()) == {"deleted": 1}
    assert show("list subjects", subjects.list()) == {"subjects": []}
    assert not Identity.objects.exists()
    acts = AuditEvent.objects.filter(gallery_id=gallery.pk).exclude(action="api_key.created")
    assert set(acts.values_list("via", "api_key_prefix")) == {("api", ApiKey.objects.get().prefix)}
