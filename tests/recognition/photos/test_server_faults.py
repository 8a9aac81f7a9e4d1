"""A fault of the server is never told as the photo's: the photo waits, is tried again, and ends with 5xx."""

import re
from pathlib import Path

import pytest
from api_client import client_of, problem, upload
from django.db import DataError
from django.urls import reverse
from factories import GalleryFactory, IdentityFactory, UserFactory, member

from accounts.actor import system_actor
from accounts.roles import Role
from faceplatform.errors import DomainError, Unavailable
from gallery.models import Gallery
from recognition.compreface.errors import CODES
from recognition.engine.base import PhotoAnalysis
from recognition.engine.pipeline import Pipeline
from recognition.engine.runnable import NetError
from recognition.photos import queue, results
from recognition.photos.faults import FAULTS, SERVER, Whose, is_servers, status_of
from recognition.photos.in_process import process_requests
from recognition.photos.models import RecognitionRequest, Status, Worker
from recognition.photos.results import recognitions
from recognition.photos.results.refusals import REFUSALS
from recognition.photos.services import Photo, raise_if_failed, submit_enrolment, submit_recognition
from recognition.photos.usable_packs import UsablePacks
from recognition.photos.worker import Unfit

pytestmark = pytest.mark.django_db
ACTOR = system_actor()
ROOT = Path(__file__).resolve().parents[3]


def submit(gallery, data: bytes) -> RecognitionRequest:
    return submit_recognition(actor=ACTOR, gallery=gallery, photo=Photo("photo.jpg", data), needs_worker=False)


def states(*rows) -> list[tuple[str, int]]:
    found = RecognitionRequest.objects.in_bulk([row.pk for row in rows])
    return [(found[row.pk].status, found[row.pk].attempts) for row in rows]


# --- The table --------------------------------------------------------------------------------------------------------
def test_every_fault_of_the_server_is_5xx_and_no_other_is():
    for code, (whose, status) in FAULTS.items():
        assert (whose == Whose.SERVER) == (status >= 500), code
        assert is_servers(code) == (whose == Whose.SERVER)
    assert {FAULTS[code] for code in REFUSALS} == {(Whose.PHOTO, 422)}
    assert (is_servers("never-heard-of"), status_of("never-heard-of")) == (True, 500)


def test_every_code_that_writing_a_result_may_raise_is_in_the_table():
    """The codes in the source of what a worker runs."""
    files = [*(ROOT / "recognition/photos").rglob("*.py"), *(ROOT / "recognition/engine").glob("*.py")]
    files += [ROOT / "gallery/services.py", ROOT / "gallery/pack_in_force.py"]
    found = {
        code
        for file in files
        for code in re.findall(r'(?:code=|"code": |PhotoError\(\s*)"([a-z_]+)"', file.read_text())
    }
    before_the_queue = {"no_worker", "queue_full", "photo_not_kept", "pack_changed", "purged"}
    assert found - before_the_queue <= set(FAULTS)
    assert found >= {"worker_lost", "invalid_image", "consent_missing"}, "the search itself works"


def test_compreface_answers_with_the_same_statuses():
    assert {code: CODES[code][0] for code in SERVER} == SERVER


@pytest.mark.parametrize("code", SERVER)
def test_no_sentence_of_the_servers_asks_for_another_photo(code):
    row = RecognitionRequest(status=Status.FAILED, error_code=code, error_message="why")
    with pytest.raises(Unavailable) as raised:
        raise_if_failed(row)
    assert raised.value.status in (500, 503)


# --- Packs ------------------------------------------------------------------------------------------------------------
def test_a_photo_of_a_pack_that_is_not_here_waits_for_another_worker(worker, hopper):
    foreign, own = submit(GalleryFactory(pack="absent"), hopper), submit(GalleryFactory(), hopper)
    with worker.registered():
        assert [worker.run_once(), worker.run_once()] == [1, 0]
        assert states(foreign, own) == [("queued", 0), ("done", 1)]
        assert Worker.objects.get().packs == sorted(worker.packs())
    assert queue.claim(limit=8, packs=["absent"]).requests[0].pk == foreign.pk


def test_a_damaged_pack_hands_its_photos_back_without_an_attempt(worker, hopper, tmp_path):
    folder = tmp_path / "damaged"
    folder.mkdir()
    (folder / "manifest.json").write_text("{}")
    worker._packs = UsablePacks(tmp_path)
    worker.models_dir = tmp_path
    rows = [submit(GalleryFactory(pack="damaged"), hopper) for _ in range(2)]
    with worker.registered():
        worker.run_once()
        assert states(*rows) == [("queued", 0)] * 2
        assert worker.run_once() == 0, "it is not tried again at once"
        row = Worker.objects.get()
        assert "damaged" not in row.packs and "damaged" in row.pack_faults
        (folder / "manifest.json").write_text("{ }")
        worker._packs._refused["damaged"] = (worker._packs._refused["damaged"][0], 0.0)  # the file is newer
        assert "damaged" in worker.packs(), "it is, as soon as the pack has been changed"


def test_the_api_says_what_a_photo_waits_for_and_ends_the_wait_with_503(hopper):
    queue.register_worker(host="test", process_id=1, packs=["dlib-resnet"])
    gallery = GalleryFactory(pack="absent")
    client = client_of(member(gallery, Role.CURATOR))

    def post(kind: str, wait: int):
        fields = {"gallery": gallery.slug, "photo": upload(hopper)}
        return client.post(f"/api/v1/{kind}", fields, HTTP_PREFER=f"wait={wait}")

    for kind in ("recognitions", "detections", "embeddings"):
        answer = post(kind, wait=0)
        assert answer.status_code == 202
        assert answer.json()["waits_for"] == "a worker with the model pack absent"
        late = post(kind, wait=1)
        assert "model pack “absent”" in problem(late, 503, "pack_not_installed")["detail"]
    assert set(RecognitionRequest.objects.values_list("status", "attempts")) == {("queued", 0)}


def test_while_no_worker_runs_the_wait_ends_with_that_and_not_with_a_missing_pack(hopper):
    """As while all of them are being started anew: nobody has to install anything."""
    queue.register_worker(host="test", process_id=1, packs=["dlib-resnet"])
    client = client_of(member(GalleryFactory(slug="staff"), Role.CURATOR))

    def post(wait: int):
        fields = {"gallery": "staff", "photo": upload(hopper)}
        return client.post("/api/v1/recognitions", fields, HTTP_PREFER=f"wait={wait}", HTTP_IDEMPOTENCY_KEY="one")

    assert post(wait=0).status_code == 202
    Worker.objects.all().delete()
    late = post(wait=1)
    assert "is done as soon as one is" in problem(late, 503, "no_worker")["detail"]
    assert late["Retry-After"] == "10"
    assert list(RecognitionRequest.objects.values_list("status", "attempts")) == [("queued", 0)]


def test_the_pages_say_what_a_photo_waits_for(client, hopper):
    queue.register_worker(host="test", process_id=1, packs=["dlib-resnet"])
    gallery = GalleryFactory(pack="absent")
    row = submit(gallery, hopper)
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    for page in (
        reverse("recognition", args=[row.pk]),
        reverse("recognitions", args=[gallery.slug]),
        reverse("system"),
    ):
        assert "a worker with the model pack absent" in " ".join(client.get(page).content.decode().split())


def test_photos_that_wait_for_a_pack_do_not_fill_the_queue_of_others(living_worker, hopper, settings):
    settings.QUEUE_LIMIT = 1
    stuck = GalleryFactory(pack="absent")
    submit(stuck, hopper)
    submit_recognition(actor=ACTOR, gallery=GalleryFactory(), photo=Photo("a.jpg", hopper))
    with pytest.raises(Unavailable, match="Too many"):
        submit_recognition(actor=ACTOR, gallery=stuck, photo=Photo("a.jpg", hopper))


def test_a_command_without_the_pack_says_so_instead_of_waiting(pack_dir, hopper):
    row = submit(GalleryFactory(pack="absent"), hopper)
    with pytest.raises(Unavailable, match="packs install absent"):
        process_requests([row])
    assert states(row) == [("queued", 0)]


# --- Writing ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "error",
    [
        Gallery.DoesNotExist("gone"),
        DataError("too long"),
        ValueError("a fault of ours"),
        Unavailable("no pack", code="pack_not_installed"),
    ],
)
def test_a_result_that_cannot_be_written_takes_no_other_with_it(worker, hopper, collins, monkeypatch, error):
    gallery = GalleryFactory()
    bad, good = submit(gallery, hopper), submit(gallery, collins)
    write = recognitions._write

    def stumbling(results):
        if any(result.request.pk == bad.pk for result in results):
            raise error
        write(results)

    monkeypatch.setattr(recognitions, "_write", stumbling)
    worker.run_once()
    assert states(bad, good) == [("queued", 1), ("done", 1)]
    worker.run_once()
    worker.run_once()
    bad.refresh_from_db()
    assert bad.status == Status.FAILED and status_of(bad.error_code) >= 500
    assert bad.error_code == (error.code if isinstance(error, DomainError) else "not_stored")
    assert worker.run_once() == 0


def test_an_enrolment_that_cannot_be_written_takes_no_other_with_it(worker, hopper, collins, monkeypatch):
    person = IdentityFactory()
    photos = [Photo("a.jpg", hopper), Photo("b.png", collins)]
    bad, good = submit_enrolment(actor=ACTOR, identity=person, photos=photos, quality_gate="off", needs_worker=False)
    enrol = results.enrol

    def stumbling(*, request, **values):
        if request.pk == bad.pk:
            raise DataError("too long")
        return enrol(request=request, **values)

    monkeypatch.setattr(results, "enrol", stumbling)
    worker.run_once()
    assert states(bad, good) == [("queued", 1), ("done", 1)]
    assert person.samples.count() == 1


# --- The engine and memory --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MemoryError(), "out_of_memory"),
        (NetError("std::bad_alloc"), "out_of_memory"),
        (NetError("Check failed: e == cudaSuccess"), "engine_error"),
    ],
)
def test_a_worker_whose_engine_fails_ends_and_frees_its_claim(worker, hopper, collins, monkeypatch, error, code):
    gallery = GalleryFactory()
    good, bad, rest = submit(gallery, hopper), submit(gallery, collins), submit(gallery, hopper)
    analyse = Pipeline.analyse

    def stumbling(self, photos, **options):
        if collins in photos:
            raise error
        return analyse(self, photos, **options)

    monkeypatch.setattr(Pipeline, "analyse", stumbling)
    with pytest.raises(Unfit):
        worker.run_once()
    assert states(good, bad, rest) == [("done", 1), ("queued", 1), ("queued", 0)]
    for _ in range(2):
        worker._unfit = None  # as a new process
        with pytest.raises(Unfit):
            worker.run_once(only=[bad.pk])
    bad.refresh_from_db()
    assert (bad.status, bad.error_code) == (Status.FAILED, code)
    with pytest.raises(Unavailable) as raised:
        raise_if_failed(bad)
    assert raised.value.status == SERVER[code]


def test_a_batch_too_large_for_the_memory_is_done_one_at_a_time(worker, hopper, collins, monkeypatch):
    gallery = GalleryFactory()
    rows = [submit(gallery, hopper), submit(gallery, collins)]
    analyse = Pipeline.analyse

    def stumbling(self, photos, **options) -> list[PhotoAnalysis]:
        if len(photos) > 1:
            raise MemoryError
        return analyse(self, photos, **options)

    monkeypatch.setattr(Pipeline, "analyse", stumbling)
    worker.run_once()
    assert states(*rows) == [("done", 1)] * 2
