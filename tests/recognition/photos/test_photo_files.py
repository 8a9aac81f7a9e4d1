"""Photos as files: cut off, too large, and in formats that browsers do not show; over the API and on the pages."""

import io
import re

import numpy as np
import pytest
from api_client import NOW, client_of, problem, upload
from conftest import encoded
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from factories import GalleryFactory, IdentityFactory, member
from PIL import Image

from accounts.actor import system_actor
from accounts.roles import Role
from gallery.models import FaceSample
from recognition.photos.forms import ACCEPT
from recognition.photos.models import RecognitionRequest
from recognition.photos.representation import recognition_as_dict
from recognition.photos.services import Photo, submit_enrolment, submit_recognition

pytestmark = pytest.mark.django_db
ACTOR = system_actor()


@pytest.fixture
def gallery():
    return GalleryFactory(slug="staff")


@pytest.fixture
def curator(gallery):
    return client_of(member(gallery, Role.CURATOR))


@pytest.fixture
def page(gallery) -> Client:
    client = Client()
    client.force_login(member(gallery, Role.CURATOR).user)
    return client


@pytest.fixture
def cut(hopper) -> bytes:
    """Two thirds of a photo's file, with the whole face."""
    return hopper[: len(hopper) * 2 // 3]


def recognised(gallery, worker, photo: bytes, **options) -> RecognitionRequest:
    photo_ = Photo("a photo", photo)
    row = submit_recognition(actor=ACTOR, gallery=gallery, photo=photo_, needs_worker=False, **options)
    worker.run_once()
    return RecognitionRequest.objects.with_results().get(pk=row.pk)


# --- Cut off ---
def test_a_photo_that_is_cut_off_is_recognised_with_a_warning(gallery, worker, cut, hopper):
    answer = recognition_as_dict(recognised(gallery, worker, cut))
    assert (answer["status"], answer["warnings"], len(answer["faces"])) == ("done", ["truncated"], 1)
    assert recognition_as_dict(recognised(gallery, worker, hopper))["warnings"] == []


def test_the_page_says_that_a_photo_is_cut_off(gallery, worker, cut, hopper, page):
    assert b"the file ends too early" in page.get(f"/recognitions/{recognised(gallery, worker, cut).pk}/").content
    assert b"ends too early" not in page.get(f"/recognitions/{recognised(gallery, worker, hopper).pk}/").content


def test_detections_have_the_warning_too(curator, gallery, worker, living_worker, cut):
    first = curator.post("/api/v1/detections", {"gallery": "staff", "photo": upload(cut)}, **NOW)
    worker.run_once()
    assert curator.get(first["Location"]).json()["warnings"] == ["truncated"]


def test_a_photo_that_is_cut_off_is_enrolled_only_if_that_is_allowed(curator, gallery, worker, living_worker, cut):
    person = IdentityFactory(gallery=gallery)
    address = f"/api/v1/identities/{person.pk}/samples"
    curator.post(address, {"photos": [upload(cut)]}, **NOW)
    worker.run_once()
    refused = RecognitionRequest.objects.get()
    assert (refused.status, refused.error_code) == ("failed", "photo_truncated")
    assert "accept_truncated" in refused.error_message
    assert not FaceSample.objects.exists()

    curator.post(address, {"photos": [upload(cut)], "accept_truncated": "true"}, **NOW)
    worker.run_once()
    assert FaceSample.objects.get().identity_id == person.pk
    done = RecognitionRequest.objects.get(status="done")
    assert done.warnings == ["truncated"]


def test_an_enrolment_that_was_queued_before_an_upgrade_asks_too(gallery, worker, cut):
    """Its options do not know of the question."""
    [row] = submit_enrolment(
        actor=ACTOR, identity=IdentityFactory(gallery=gallery), photos=[Photo("a", cut)], needs_worker=False
    )
    RecognitionRequest.objects.update(options={"quality_gate": "standard", "min_detection_score": None})
    worker.run_once()
    row.refresh_from_db()
    assert row.error_code == "photo_truncated"


@pytest.mark.parametrize("ticked", [True, False])
def test_the_form_has_a_tick_for_it(gallery, worker, living_worker, page, cut, ticked):
    person = IdentityFactory(gallery=gallery)
    data = {"photos": [SimpleUploadedFile("a.jpg", cut)]} | ({"accept_truncated": "on"} if ticked else {})
    assert b"accept_truncated" in page.get(f"/galleries/staff/people/{person.pk}/").content
    page.post(f"/galleries/staff/people/{person.pk}/photos", data)
    assert RecognitionRequest.objects.get().options["accept_truncated"] is ticked


# --- Sizes ---
@pytest.mark.parametrize("mebibytes", [26, 30])
def test_a_file_that_is_too_large_is_told_its_size(curator, gallery, living_worker, mebibytes):
    data = {"gallery": "staff", "photo": upload(b"\xff\xd8\xff" + bytes(mebibytes * 2**20))}
    detail = problem(curator.post("/api/v1/recognitions", data, **NOW), 413, "image_too_large")["detail"]
    assert f"{mebibytes}" in detail
    assert "25.0 MiB" not in detail


def test_the_service_tells_the_size_of_a_file_it_has_only_the_beginning_of(gallery):
    from faceplatform.errors import Unprocessable

    photo = Photo("a.jpg", b"\xff\xd8\xff" + bytes(10 * 2**20), 30 * 2**20)
    with pytest.raises(Unprocessable, match=r"30\.0 MiB"):
        submit_recognition(actor=ACTOR, gallery=gallery, photo=photo, needs_worker=False)


def test_a_photo_of_48_megapixels_and_more_than_10_mebibytes_is_enrolled_and_recognised(
    curator, gallery, living_worker, worker, collins
):
    with Image.open(io.BytesIO(collins)) as image:
        portrait = image.convert("RGB").resize((4500, 5400))
    grain = np.random.default_rng(0).integers(100, 156, (600, 800, 3), "uint8")
    photo = Image.fromarray(np.tile(grain, (10, 10, 1)))
    photo.paste(portrait, (1750, 300))
    data = encoded(photo, "JPEG", quality=95)
    assert 10 * 2**20 < len(data) < 25 * 2**20
    person = IdentityFactory(gallery=gallery)

    curator.post(f"/api/v1/identities/{person.pk}/samples", {"photos": [upload(data)]}, **NOW)
    worker.run_once()
    sample = FaceSample.objects.get()
    assert (sample.identity, sample.photo_width, sample.photo_height) == (person, 8000, 6000)
    asked = curator.post("/api/v1/recognitions", {"gallery": "staff", "photo": upload(data)}, **NOW)
    worker.run_once()
    [face] = curator.get(asked["Location"]).json()["faces"]
    assert face["identity"]["id"] == str(person.pk)
    assert face["box"]["pixels"]["width"] > 500


# --- Chosen ---
def test_every_page_offers_the_same_files_to_choose(gallery, page):
    person = IdentityFactory(gallery=gallery)
    for path in ("add-faces", "recognise", f"people/{person.pk}/"):
        [chooser] = re.findall(r'<input type="file"[^>]*>', page.get(f"/galleries/staff/{path}").content.decode())
        assert f'accept="{ACCEPT}"' in chooser
        assert " required" in chooser
        assert " multiple" in chooser


# --- Shown ---
def _heic(image: Image.Image) -> bytes:
    import pillow_heif

    out = io.BytesIO()
    pillow_heif.from_pillow(image).save(out)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["HEIC", "TIFF", "PPM", "JPEG2000", "TGA"])
def test_a_kept_photo_that_browsers_do_not_show_is_shown_as_jpeg(gallery, worker, hopper, page, kind):
    with Image.open(io.BytesIO(hopper)) as image:
        photo = _heic(image) if kind == "HEIC" else encoded(image.convert("RGB"), kind)
    row = recognised(gallery, worker, photo, keep_photo=True)
    shown = page.get(f"/recognitions/{row.pk}/photo")
    assert shown["Content-Type"] == "image/jpeg"
    with Image.open(io.BytesIO(shown.content)) as picture:
        assert (picture.format, picture.size) == ("JPEG", row.photo_size)
    assert bytes(RecognitionRequest.objects.get(pk=row.pk).photo) == photo  # kept as it was sent
    drawn = client_of(member(gallery, Role.CURATOR)).get(f"/api/v1/recognitions/{row.pk}/annotated.jpg")
    with Image.open(io.BytesIO(drawn.content)) as picture:
        assert (picture.format, picture.size) == ("JPEG", row.photo_size)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_what_browsers_show_is_shown_as_it_was_sent(gallery, worker, hopper, page, kind):
    with Image.open(io.BytesIO(hopper)) as image:
        photo = encoded(image.convert("RGB"), kind)
    row = recognised(gallery, worker, photo, keep_photo=True)
    shown = page.get(f"/recognitions/{row.pk}/photo")
    assert (shown["Content-Type"], shown.content) == (f"image/{kind.lower()}", photo)


def test_of_a_kept_animation_the_frame_that_was_searched(gallery, worker, hopper, page):
    with Image.open(io.BytesIO(hopper)) as image:
        photo = image.convert("RGB")
    frames = [Image.new("RGB", photo.size, "black"), photo]
    row = recognised(
        gallery, worker, encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:]), keep_photo=True
    )
    assert len(row.final_faces) == 1
    shown = page.get(f"/recognitions/{row.pk}/photo")
    with Image.open(io.BytesIO(shown.content)) as picture:
        assert picture.format == "JPEG"
        assert max(high for _, high in picture.getextrema()) > 200


def test_a_large_photo_is_drawn_on_smaller(gallery, worker, hopper):
    with Image.open(io.BytesIO(hopper)) as image:
        head = image.convert("RGB").crop((100, 0, 420, 360)).resize((2400, 2700))
    photo = Image.new("RGB", (9000, 6000), "grey")
    photo.paste(head, (1000, 1000))
    row = recognised(gallery, worker, encoded(photo, "JPEG"), keep_photo=True)
    assert row.photo_size == (9000, 6000)
    drawn = client_of(member(gallery, Role.CURATOR)).get(f"/api/v1/recognitions/{row.pk}/annotated.jpg")
    with Image.open(io.BytesIO(drawn.content)) as picture:
        assert picture.size == (4500, 3000)


def test_a_stranger_sees_no_kept_photo(gallery, worker, hopper):
    with Image.open(io.BytesIO(hopper)) as image:
        row = recognised(gallery, worker, _heic(image), keep_photo=True)
    stranger = Client()
    stranger.force_login(member(GalleryFactory(), Role.OWNER).user)
    assert stranger.get(f"/recognitions/{row.pk}/photo").status_code == 404
