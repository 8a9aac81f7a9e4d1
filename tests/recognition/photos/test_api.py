import base64
import io
import threading

import pillow_heif
import pytest
from api_client import NOW, client_of, problem, upload
from conftest import encoded
from django.test import override_settings
from factories import GalleryFactory, IdentityFactory, SampleFactory, member
from PIL import Image
from rest_framework.test import APIClient

from accounts.actor import system_actor
from accounts.models import Membership
from accounts.roles import Role
from gallery.curation.services import merge_identities
from gallery.models import FaceSample
from recognition.photos.models import RecognitionRequest, Worker
from recognition.photos.services import Photo, submit_enrolment

pytestmark = pytest.mark.django_db


@pytest.fixture
def gallery():
    return GalleryFactory(slug="staff")


@pytest.fixture
def grace(gallery, worker, hopper):
    """Grace Hopper, enrolled."""
    identity = IdentityFactory(gallery=gallery, name="Grace Hopper", external_id="17")
    submit_enrolment(actor=system_actor(), identity=identity, photos=[Photo("a.jpg", hopper)], needs_worker=False)
    worker.run_once()
    return identity


@pytest.fixture
def viewer(gallery) -> APIClient:
    return client_of(member(gallery, Role.VIEWER))


@pytest.fixture
def curator(gallery) -> APIClient:
    return client_of(member(gallery, Role.CURATOR))


# --- Recognise --------------------------------------------------------------------------------------------------------
def test_recognise_answers_later_and_then_names_the_person(viewer, gallery, grace, worker, living_worker, both):
    first = viewer.post("/api/v1/recognitions", {"gallery": "staff", "photo": upload(both)}, **NOW)
    assert (first.status_code, first.json()["status"], first.json()["faces"]) == (202, "queued", [])
    assert worker.run_once() == 1
    answer = viewer.get(first["Location"]).json()
    assert (answer["status"], answer["gallery"], answer["error"]) == ("done", "staff", None)
    assert answer["threshold"]["source"] == "size"
    assert answer["image"] == {"width": 1024, "height": 600}
    by_decision = {face["decision"]: face for face in answer["faces"]}
    known = by_decision["known"]
    assert known["identity"] == {"id": str(grace.pk), "name": "Grace Hopper", "external_id": "17"}
    [candidate] = known["candidates"]
    assert candidate["identity"] == known["identity"]
    assert candidate["distance"] < answer["threshold"]["distance"]
    assert candidate["score"] > 0.5
    assert candidate["sample_id"] == str(grace.samples.get().pk)
    assert known["margin"] is None
    pixels, shares = known["box"]["pixels"], known["box"]["normalized"]
    assert shares["left"] == pytest.approx(pixels["x"] / 1024, abs=1e-4)
    assert len(known["landmarks"]) == 5
    unknown = by_decision["unknown"]
    assert unknown["identity"] is None
    assert unknown["candidates"][0]["score"] < 0.5


@pytest.mark.django_db(transaction=True)
def test_a_waiting_post_is_answered_by_a_running_worker(worker, hopper):
    gallery = GalleryFactory(slug="staff")
    viewer = client_of(member(gallery, Role.VIEWER))
    stop = threading.Event()
    running = threading.Thread(target=worker.run, args=(stop,))
    running.start()
    try:
        while not Worker.objects.exists():
            stop.wait(0.05)
        response = viewer.post(
            "/api/v1/recognitions", {"gallery": "staff", "photo": upload(hopper)}, HTTP_PREFER="wait=30"
        )
    finally:
        stop.set()
        running.join()
    assert (response.status_code, response.json()["status"]) == (201, "done")
    assert [face["decision"] for face in response.json()["faces"]] == ["unknown"]


def test_base64_in_json(viewer, gallery, living_worker, worker, hopper):
    body = {"gallery": "staff", "photo": "data:image/jpeg;base64," + base64.b64encode(hopper).decode()}
    response = viewer.post("/api/v1/recognitions", body, format="json", **NOW)
    assert response.status_code == 202
    worker.run_once()
    assert len(viewer.get(response["Location"]).json()["faces"]) == 1


def test_heic(viewer, gallery, living_worker, worker, hopper):
    out = io.BytesIO()
    pillow_heif.from_pillow(Image.open(io.BytesIO(hopper))).save(out)
    response = viewer.post("/api/v1/recognitions", {"gallery": "staff", "photo": upload(out.getvalue())}, **NOW)
    worker.run_once()
    assert len(viewer.get(response["Location"]).json()["faces"]) == 1


def test_options_are_honoured(viewer, gallery, grace, worker, living_worker, both):
    for n in range(3):
        other = IdentityFactory(gallery=gallery)
        SampleFactory(identity=other, vector=[float(n)] * 128)
    body = {"gallery": "staff", "photo": upload(both), "top_k": 2, "threshold": 0.01, "max_faces": 1}
    response = viewer.post("/api/v1/recognitions", body, **NOW)
    worker.run_once()
    answer = viewer.get(response["Location"]).json()
    assert answer["threshold"] == {"distance": 0.01, "source": "request"}
    [face] = answer["faces"]
    assert (face["decision"], len(face["candidates"])) == ("unknown", 2)
    assert face["margin"] > 0


def test_the_photo_is_drawn_where_it_was_kept(viewer, gallery, grace, worker, living_worker, hopper):
    addresses = []
    for keep in (True, False):
        body = {"gallery": "staff", "photo": upload(hopper), "keep_photo": keep}
        addresses.append(viewer.post("/api/v1/recognitions", body, **NOW)["Location"])
    worker.run_once()
    kept = viewer.get(addresses[0] + "/annotated.jpg")
    assert kept["Content-Type"] == "image/jpeg"
    assert Image.open(io.BytesIO(kept.content)).size == (512, 600)
    problem(viewer.get(addresses[1] + "/annotated.jpg"), 404, "photo_not_kept")


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"", 422, "invalid_image"),
        (b"no photo at all", 422, "invalid_image"),
        (b"\xff\xd8\xff" + b"\0" * 50, 422, "invalid_image"),
        (b"\0" * (25 * 2**20 + 1), 413, "image_too_large"),
    ],
)
def test_a_file_that_is_no_photo_is_refused_at_once(viewer, gallery, living_worker, data, status, code):
    body = {"gallery": "staff", "photo": upload(data or b"x")}
    if not data:
        body = {"gallery": "staff", "photo": ""}
        response = viewer.post("/api/v1/recognitions", body, format="json", **NOW)
    else:
        response = viewer.post("/api/v1/recognitions", body, **NOW)
    problem(response, status, code)
    assert RecognitionRequest.objects.count() == 0


def test_too_many_pixels(viewer, gallery, living_worker):
    out = io.BytesIO()
    Image.new("1", (8000, 6000)).save(out, "PNG")
    response = viewer.post("/api/v1/recognitions", {"gallery": "staff", "photo": upload(out.getvalue())}, **NOW)
    assert "40 megapixels" in problem(response, 413, "image_too_large")["detail"]


def test_damage_found_while_decoding_is_reported_too(viewer, gallery, living_worker, worker, hopper):
    with Image.open(io.BytesIO(hopper)) as image:
        whole = encoded(image, "BMP")
    body = {"gallery": "staff", "photo": upload(whole[: len(whole) // 2])}
    first = viewer.post("/api/v1/recognitions", body, **NOW)
    worker.run_once()
    answer = viewer.get(first["Location"]).json()
    assert (answer["status"], answer["error"]["code"]) == ("failed", "invalid_image")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"photo": None}, "photo"),
        ({"gallery": None}, "gallery"),
        ({"top_k": 0}, "top_k"),
        ({"top_k": 101}, "top_k"),
        ({"top_k": "many"}, "top_k"),
        ({"max_faces": 0}, "max_faces"),
    ],
)
def test_bad_fields_are_named(viewer, gallery, living_worker, hopper, changes, field):
    body = {"gallery": "staff", "photo": upload(hopper)} | changes
    body = {name: value for name, value in body.items() if value is not None}
    assert field in problem(viewer.post("/api/v1/recognitions", body, **NOW), 400, "invalid_input")["errors"]


@pytest.mark.parametrize("threshold", [-1, 0, 2.1, "nan"])
def test_a_threshold_is_a_distance(viewer, gallery, living_worker, hopper, threshold):
    body = {"gallery": "staff", "photo": upload(hopper), "threshold": threshold}
    problem(viewer.post("/api/v1/recognitions", body, **NOW), 400, "invalid_input")


def test_a_missing_worker_is_reported_at_once(viewer, gallery, hopper):
    response = viewer.post("/api/v1/recognitions", {"gallery": "staff", "photo": upload(hopper)})
    assert "recognition_worker" in problem(response, 503, "no_worker")["detail"]
    assert response["Retry-After"] == "10"
    assert RecognitionRequest.objects.count() == 0


def test_malformed_json_unknown_addresses_and_methods(viewer, gallery):
    broken = viewer.post("/api/v1/recognitions", "{", content_type="application/json")
    problem(broken, 400, "invalid_input")
    problem(viewer.get("/api/v1/nothing"), 404, "not_found")
    problem(viewer.get("/api/v1/recognitions/not-a-uuid"), 404, "not_found")
    problem(viewer.put("/api/v1/galleries"), 405, "method_not_allowed")
    problem(viewer.post("/api/v1/recognitions", "x", content_type="text/plain"), 415, "unsupported_media_type")


# --- Enrol ------------------------------------------------------------------------------------------------------------
def enrol(client, identity, **photos):
    files = [upload(data, f"{name}.jpg") for name, data in photos.items()]
    return client.post(f"/api/v1/identities/{identity.pk}/samples", {"photos": files}, **NOW)


def outcome(identity) -> dict[str, tuple[str, str]]:
    rows = RecognitionRequest.objects.filter(identity=identity)
    return {row.photo_name: (row.status, row.error_code) for row in rows}


def test_several_photos_with_partial_success(curator, gallery, living_worker, worker, hopper, both, no_face):
    person = IdentityFactory(gallery=gallery)
    response = enrol(curator, person, good=hopper, two=both, none=no_face, junk=b"junk", again=hopper)
    assert response.status_code == 202
    assert [result["status"] for result in response.json()["results"]] == ["pending"] * 3 + ["refused", "pending"]
    worker.run_once()
    assert outcome(person) == {
        "good.jpg": ("done", ""),
        "two.jpg": ("failed", "multiple_faces"),
        "none.jpg": ("failed", "face_not_found"),
        "junk.jpg": ("failed", "invalid_image"),
        "again.jpg": ("failed", "duplicate_photo"),
    }
    [sample] = curator.get(f"/api/v1/identities/{person.pk}/samples").json()
    crop = curator.get(f"/api/v1/samples/{sample['id']}/crop.jpg")
    assert Image.open(io.BytesIO(crop.content)).format == "JPEG"
    assert "no-store" in crop["Cache-Control"]


def test_somebody_else_is_not_enrolled_under_this_name(curator, gallery, grace, living_worker, worker, hopper_again):
    person = IdentityFactory(gallery=gallery, name="Ada")
    enrol(curator, person, photo=hopper_again)
    worker.run_once()
    [row] = RecognitionRequest.objects.filter(identity=person)
    assert row.error_code == "identity_similarity_conflict"
    assert "Grace Hopper" in row.error_message
    assert person.samples.count() == 0


def test_a_person_merged_while_the_photo_is_queued_is_no_conflict(
    curator, gallery, grace, living_worker, worker, hopper_again
):
    person = IdentityFactory(gallery=gallery, name="Ada")
    enrol(curator, person, photo=hopper_again)
    merge_identities(actor=system_actor(), into=grace, others=[person])
    worker.run_once()
    [row] = RecognitionRequest.objects.filter(identity=person)
    assert (row.status, row.error_code, row.sample.identity) == ("done", "", grace)


def test_the_strict_gate_refuses_what_standard_takes_with_a_warning(curator, gallery, living_worker, worker, hopper):
    with Image.open(io.BytesIO(hopper)) as image:
        out = io.BytesIO()
        image.convert("RGB").resize((64, 75)).resize(image.size, Image.Resampling.BICUBIC).save(out, "PNG")
    for gate, expected in (("strict", "low_quality"), ("standard", "")):
        person = IdentityFactory(gallery=gallery)
        address = f"/api/v1/identities/{person.pk}/samples"
        curator.post(address, {"photos": [upload(out.getvalue())], "quality_gate": gate}, **NOW)
        worker.run_once()
        [row] = RecognitionRequest.objects.filter(identity=person)
        assert row.error_code == expected
    assert "low_quality" in person.samples.get().quality["reasons"]


def test_a_curator_who_lost_the_role_meanwhile_enrols_nothing(curator, gallery, living_worker, worker, hopper):
    person = IdentityFactory(gallery=gallery)
    enrol(curator, person, photo=hopper)
    Membership.objects.all().delete()
    worker.run_once()
    assert outcome(person) == {"photo.jpg": ("failed", "not_allowed")}
    assert FaceSample.objects.count() == 0


def test_a_deleted_users_photos_are_not_the_platforms_own(curator, gallery, living_worker, worker, hopper):
    person = IdentityFactory(gallery=gallery)
    enrol(curator, person, photo=hopper)
    RecognitionRequest.objects.update(requested_by=None)
    worker.run_once()
    assert outcome(person) == {"photo.jpg": ("failed", "not_allowed")}


def test_too_many_photos_or_none(curator, gallery, living_worker, hopper):
    person = IdentityFactory(gallery=gallery)
    problem(enrol(curator, person, **{f"p{n}": hopper for n in range(21)}), 400, "invalid_input")
    problem(enrol(curator, person), 400, "invalid_input")
    assert RecognitionRequest.objects.count() == 0


def test_a_crash_is_a_problem_with_its_request_id(viewer, gallery, monkeypatch):
    monkeypatch.setattr("gallery.services.create_identity", lambda **values: 1 / 0)
    client = client_of(member(gallery, Role.CURATOR))
    body = {"gallery": "staff", "name": "X"}
    response = client.post("/api/v1/identities", body, format="json", HTTP_X_REQUEST_ID="abc-1")
    assert problem(response, 500, "internal_error")["request_id"] == "abc-1"


@override_settings(MAX_PHOTO_BYTES=1000)
def test_the_size_limit_is_a_setting(viewer, gallery, living_worker, hopper):
    response = viewer.post("/api/v1/recognitions", {"gallery": "staff", "photo": upload(hopper)}, **NOW)
    problem(response, 413, "image_too_large")
