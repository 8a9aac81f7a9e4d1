"""Imports as jobs, on real faces: stopping, resuming, being killed, running again, and who may do what."""

import csv
import io
import tracemalloc
import zipfile
from datetime import timedelta
from threading import Thread

import pytest
from api_client import client_of, problem, upload
from archives import zipped
from django.db import connection
from django.test import Client
from django.utils import timezone
from factories import GalleryFactory, IdentityFactory, member, stranger

from accounts.actor import system_actor
from accounts.models import AuditEvent
from accounts.roles import Role
from faceplatform.errors import Conflict, InvalidInput
from gallery.curation.services import merge_identities
from gallery.models import FaceSample, Identity
from recognition.engine.pipeline import Pipeline
from recognition.imports import running, tasks
from recognition.imports.models import Import, ImportPiece
from recognition.imports.report import report_lines
from recognition.imports.running import run_import
from recognition.imports.services import create_import, resume_import, stop_import
from recognition.imports.upload import PIECE_BYTES, StoredUpload, store_upload
from recognition.photos.models import RecognitionRequest

SYSTEM = system_actor()


@pytest.fixture
def gallery(db):
    return GalleryFactory(slug="staff")


@pytest.fixture
def archive(hopper, hopper_again, collins, both, no_face):
    """Five photos of two people; three of them can be enrolled."""
    files = {"Grace/1.jpg": hopper, "Grace/2.jpg": hopper_again, "Grace/cup.png": no_face}
    return zipped(files | {"Eileen/1.png": collins, "Eileen/both.jpg": both})


def new(gallery, file, actor=SYSTEM, **options) -> Import:
    return create_import(actor=actor, gallery=gallery, name="people.zip", file=file, **options)


def run(job: Import, worker) -> Import:
    return run_import(job.pk, work=lambda requests: worker.run_once(only=requests))


def counts(job: Import) -> tuple[int, int, int]:
    job.refresh_from_db()
    return job.enrolled, job.skipped, job.refused


def dump_people() -> list:
    tables = ("gallery_identity", "gallery_facesample", "gallery_facecrop", "gallery_faceembedding")
    with connection.cursor() as cursor:
        rows = []
        for table in tables:
            cursor.execute(f"SELECT {table}::text FROM {table} ORDER BY 1")
            rows += [row[0] for row in cursor.fetchall()]
    return rows


def test_photos_that_fail_for_a_fault_of_the_server_are_done_again(gallery, archive, worker, monkeypatch):
    """The import ends as failed, keeps its upload, and does these photos alone when it is resumed."""
    job = new(gallery, archive)
    analyse = Pipeline.analyse
    broken = []

    def stumbling(self, photos, **options):
        broken[:] = broken or photos[:1]
        if broken[0] in photos:
            raise RuntimeError("the net exploded")
        return analyse(self, photos, **options)

    monkeypatch.setattr(Pipeline, "analyse", stumbling)
    ended = run(job, worker)
    enrolled, _, refused = counts(job)
    assert ended.status == Import.Status.FAILED and "1 of the photos" in ended.error_message
    assert (enrolled + refused, job.rows.get(code="engine_error").status) == (5, "refused")
    assert ImportPiece.objects.filter(job=job).exists()
    monkeypatch.setattr(Pipeline, "analyse", analyse)
    resume_import(actor=SYSTEM, job=job)
    assert run(job, worker).status == Import.Status.DONE
    assert counts(job) == (3, 0, 2) and job.rows.count() == 5


class Killed(BaseException):
    """Stands for the process being killed: nothing catches it."""


def test_an_import_from_start_to_report(gallery, archive, worker):
    job = run(new(gallery, archive), worker)
    assert (job.status, counts(job), job.total) == ("done", (3, 0, 2), 5)
    assert not ImportPiece.objects.exists() and not RecognitionRequest.objects.exists()
    assert sorted(Identity.objects.values_list("name", "external_id")) == [("Eileen", "Eileen"), ("Grace", "Grace")]
    lines = list(report_lines(job))
    assert [line[2:5] for line in lines[1:]] == [
        ["Eileen/1.png", "enrolled", ""],
        ["Eileen/both.jpg", "refused", "multiple_faces"],
        ["Grace/1.jpg", "enrolled", ""],
        ["Grace/2.jpg", "enrolled", ""],
        ["Grace/cup.png", "refused", "face_not_found"],
    ]
    assert AuditEvent.objects.get(action="import.ended").details["enrolled"] == 3


def test_running_the_same_import_again_changes_nothing(gallery, archive, worker):
    run(new(gallery, archive), worker)
    before = dump_people()
    archive.seek(0)
    again = run(new(gallery, archive), worker)
    assert counts(again) == (0, 3, 2)
    assert dump_people() == before


AS_GRACE = "This photo is already enrolled as Grace, so it was not enrolled for Ann. Check who it shows."


@pytest.mark.parametrize("gate", ["standard", "off"])
def test_a_photo_that_is_enrolled_as_somebody_else_is_told_so(gallery, worker, hopper, gate):
    run(new(gallery, zipped({"Grace/1.jpg": hopper})), worker)
    curator = member(gallery, Role.CURATOR)
    job = run(new(gallery, zipped({"Ann/1.jpg": hopper, "Grace/1.jpg": hopper}), quality_gate=gate), worker)
    assert counts(job) == (0, 1, 1)
    assert [line[2:] for line in report_lines(job)][1:] == [
        ["Ann/1.jpg", "refused", "enrolled_as_another", AS_GRACE],
        ["Grace/1.jpg", "skipped", "duplicate_photo", "This photo is already enrolled for Grace."],
    ]
    assert not Identity.objects.filter(name="Ann").exists()
    page = Client()
    page.force_login(curator.user)
    shown = page.get(f"/imports/{job.pk}/").content.decode()
    assert AS_GRACE in shown and "enrolled_as_another" in shown
    api = client_of(curator)
    assert api.get(f"/api/v1/imports/{job.pk}").json()["refused"] == 1
    report = b"".join(api.get(f"/api/v1/imports/{job.pk}/report.csv").streaming_content).decode()
    assert AS_GRACE in report


def test_one_photo_in_two_folders_of_one_import_is_told_so(gallery, worker, hopper):
    """Both are in the queue before either is enrolled."""
    job = run(new(gallery, zipped({"Ann/1.jpg": hopper, "Grace/1.jpg": hopper})), worker)
    assert counts(job) == (1, 0, 1)
    [_, _, line] = report_lines(job)
    assert line[2:5] == ["Grace/1.jpg", "refused", "enrolled_as_another"] and "already enrolled as Ann" in line[5]


def test_who_has_a_photo_in_another_gallery_is_not_told(gallery, worker, hopper):
    run(new(GalleryFactory(), zipped({"Grace/1.jpg": hopper})), worker)
    assert counts(run(new(gallery, zipped({"Ann/1.jpg": hopper})), worker)) == (1, 0, 0)


def test_somebody_of_that_name_without_an_external_id_has_the_photo_already(gallery, worker, hopper):
    run(new(gallery, zipped({"Grace/1.jpg": hopper})), worker)
    Identity.objects.update(external_id="")
    assert counts(run(new(gallery, zipped({"Grace/1.jpg": hopper})), worker)) == (0, 1, 0)


def test_a_folder_typed_decomposed_is_the_same_person(gallery, worker, hopper, hopper_again):
    """As macOS writes names, and then another system."""
    run(new(gallery, zipped({"Zoe\u0308_Kravitz/1.jpg": hopper})), worker)
    run(new(gallery, zipped({"Zoë_Kravitz/2.jpg": hopper_again})), worker)
    [zoe] = Identity.objects.all()
    assert (zoe.name, zoe.external_id, zoe.samples.count()) == ("Zoë Kravitz", "Zoë_Kravitz", 2)


@pytest.mark.parametrize("letter", ["x", "ü"])
def test_the_longest_folder_name_is_a_person(gallery, worker, hopper, letter):
    """Beyond 200 characters it ends in a hash."""
    for length in (101, 200, 250):
        file = zipped({f"{letter * length}/1.jpg": hopper + b"\0" * length})
        assert counts(run(new(gallery, file, quality_gate="off"), worker)) == (1, 0, 0)
    assert {len(name) for name in Identity.objects.values_list("name", flat=True)} == {101, 200}
    assert {len(key) for key in Identity.objects.values_list("external_id", flat=True)} == {101, 200}


def test_a_folder_name_with_a_control_character_is_refused_by_name(gallery, worker, hopper, hopper_again):
    job = run(new(gallery, zipped({"A\x1bda/1.jpg": hopper, "Eve/1.jpg": hopper_again})), worker)
    assert counts(job) == (1, 0, 1)
    refused = job.rows.get(status="refused")
    assert refused.path == "A\x1bda/1.jpg" and "U+001B" in refused.reason
    assert list(Identity.objects.values_list("name", flat=True)) == ["Eve"]


def test_people_named_by_an_older_version_are_found_again(gallery, worker, hopper, hopper_again):
    """It wrote “grace_hopper” as Grace Hopper. Nobody is enrolled twice, and the name stays."""
    run(new(gallery, zipped({"grace_hopper/1.jpg": hopper})), worker)
    assert Identity.objects.get().name == "grace hopper"
    Identity.objects.update(name="Grace Hopper")
    run(new(gallery, zipped({"grace_hopper/1.jpg": hopper, "grace_hopper/2.jpg": hopper_again})), worker)
    [grace] = Identity.objects.all()
    assert (grace.name, grace.external_id, grace.samples.count()) == ("Grace Hopper", "grace_hopper", 2)


def test_a_zip_with_two_folders_of_one_name_is_refused_whole(gallery, worker):
    job = run(new(gallery, zipped({"london/ann/1.jpg": b"1", "paris/ann/1.jpg": b"2"})), worker)
    assert job.status == "failed" and "london/ann and paris/ann" in job.error_message
    assert not Identity.objects.exists() and not job.pieces.exists()


def test_stopped_and_resumed(gallery, archive, worker, monkeypatch):
    monkeypatch.setattr(running, "IN_FLIGHT", 1)
    job = new(gallery, archive)

    def work(requests):
        worker.run_once(only=requests)
        stop_import(actor=SYSTEM, job=job)

    stopped = run_import(job.pk, work=work)
    assert (stopped.status, sum(counts(job))) == ("stopped", 1)
    assert run(job, worker) is None, "it stays stopped until somebody resumes it"
    resume_import(actor=SYSTEM, job=job)
    assert (run(job, worker).status, counts(job)) == ("done", (3, 0, 2))
    with pytest.raises(Conflict, match="start a new one"):
        resume_import(actor=SYSTEM, job=job)
    with pytest.raises(Conflict, match="is not running"):
        stop_import(actor=SYSTEM, job=job)


def test_a_killed_run_is_taken_up_and_no_photo_is_done_twice(gallery, archive, worker, monkeypatch):
    monkeypatch.setattr(running, "IN_FLIGHT", 2)
    job = new(gallery, archive)

    def die(requests):
        raise Killed

    with pytest.raises(Killed):
        run_import(job.pk, work=die)
    waiting = set(RecognitionRequest.objects.values_list("pk", flat=True))
    assert len(waiting) == 2
    assert run(job, worker) is None, "its lease still holds"
    worker.run_once(only=list(waiting))  # a worker finishes what was queued
    Import.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert (run(job, worker).status, counts(job)) == ("done", (3, 0, 2))
    assert FaceSample.objects.count() == 3


def test_a_process_that_has_to_end_leaves_the_import_to_another(gallery, archive, worker):
    job = new(gallery, archive)
    rounds = iter([False, True])
    left = run_import(job.pk, work=lambda requests: None, interrupted=lambda: next(rounds))
    assert (left.status, RecognitionRequest.objects.count()) == ("queued", 5)
    assert (run(job, worker).status, counts(job)) == ("done", (3, 0, 2))


def test_an_unexpected_error_is_shown_and_the_import_can_be_resumed(gallery, archive, worker):
    job = new(gallery, archive)

    def fail(requests):
        raise RuntimeError("the disk is on fire")

    with pytest.raises(RuntimeError):
        run_import(job.pk, work=fail)
    job.refresh_from_db()
    assert job.status == "failed" and "RuntimeError" in job.error_message
    resume_import(actor=SYSTEM, job=job)
    assert run(job, worker).status == "done"


def test_an_import_fails_if_its_account_was_deleted(gallery, archive, worker):
    actor = member(gallery, Role.CURATOR)
    job = new(gallery, archive, actor)
    actor.user.delete()
    job = run(job, worker)
    assert (job.status, counts(job)) == ("failed", (0, 0, 0)) and "no longer has an account" in job.error_message
    assert not Identity.objects.exists()


def test_a_person_merged_since_is_found_again(gallery, archive, worker, hopper):
    run(new(gallery, archive), worker)
    admiral = IdentityFactory(gallery=gallery, name="Rear Admiral", external_id="7")
    merge_identities(actor=SYSTEM, into=admiral, others=[Identity.objects.get(name="Grace")])
    archive.seek(0)
    again = run(new(gallery, archive), worker)
    assert counts(again) == (0, 3, 2)
    assert set(Identity.objects.values_list("name", flat=True)) == {"Rear Admiral", "Eileen"}


@pytest.mark.django_db(transaction=True)
def test_only_one_process_runs_an_import(archive, worker):
    job = new(GalleryFactory(), archive)
    ended = []

    def other():
        ended.append(run_import(job.pk, work=lambda requests: None))
        connection.close()

    def work(requests):
        if not ended:
            thread = Thread(target=other)
            thread.start()
            thread.join()
        worker.run_once(only=requests)

    assert run_import(job.pk, work=work).status == "done"
    assert ended == [None]


def test_an_upload_is_read_piece_by_piece(gallery):
    data = bytes(range(256)) * (PIECE_BYTES // 256 * 3) + b"end"
    job = Import.objects.create(gallery=gallery, name="x.zip")
    job.size = store_upload(job, io.BytesIO(data))
    assert job.size == len(data) and job.pieces.count() == 4
    file = io.BufferedReader(StoredUpload(job), 1000)
    for at, count in (
        (0, 10),
        (PIECE_BYTES - 5, 10),
        (2 * PIECE_BYTES - 1, PIECE_BYTES + 7),
        (len(data) - 3, 100),
        (len(data), 1),
    ):
        file.seek(at)
        assert file.read(count) == data[at : at + count]
    assert file.seek(-3, io.SEEK_END) == len(data) - 3 and file.read() == b"end"


def test_the_report_contains_no_formulas(gallery):
    job = Import.objects.create(gallery=gallery, name="x.zip")
    job.rows.create(path="a.jpg", name="=cmd|' /C calc'!A0", key="+1", status="refused", reason="@x")
    assert list(report_lines(job))[1] == ["'=cmd|' /C calc'!A0", "'+1", "a.jpg", "refused", "", "'@x"]


# --- API and pages ----------------------------------------------------------------------------------------------------
def test_over_the_api(gallery, archive, worker, monkeypatch):
    started = []
    monkeypatch.setattr(tasks, "start", started.append)
    curator = client_of(member(gallery, Role.CURATOR))
    made = curator.post("/api/v1/imports", {"gallery": "staff", "file": upload(archive.getvalue(), "people.zip")})
    assert made.status_code == 202 and made.json()["total"] is None
    address = made["Location"]
    [job] = started
    assert curator.post(f"{address}/stop").json()["status"] == "stopped"
    assert curator.post(f"{address}/resume").json()["status"] == "queued"
    run(job, worker)
    assert curator.get(address).json()["handled"] == 5
    assert curator.get("/api/v1/imports?gallery=staff").json()["results"][0]["status"] == "done"
    report = b"".join(curator.get(f"{address}/report.csv").streaming_content).decode()
    assert len(list(csv.reader(io.StringIO(report)))) == 6
    problem(curator.post(f"{address}/stop"), 409, "conflict")


def test_without_permission_nothing_changes(gallery, archive):
    job = new(gallery, archive)
    events = AuditEvent.objects.count()
    viewer = client_of(member(gallery, Role.VIEWER))
    body = {"gallery": "staff", "file": upload(archive.getvalue(), "people.zip")}
    problem(viewer.post("/api/v1/imports", body), 403, "not_allowed")
    body["file"].seek(0)
    problem(client_of(stranger()).post("/api/v1/imports", body), 404, "not_found")
    for client in (viewer, client_of(stranger()), client_of(member(GalleryFactory(), Role.OWNER))):
        for call in ("", "/report.csv"):
            problem(client.get(f"/api/v1/imports/{job.pk}{call}"), 404, "not_found")
        for call in ("/stop", "/resume"):
            problem(client.post(f"/api/v1/imports/{job.pk}{call}"), 404, "not_found")
    job.refresh_from_db()
    assert (Import.objects.count(), AuditEvent.objects.count(), job.status) == (1, events, "queued")


def test_what_is_no_zip_is_refused_at_once(gallery, client):
    with pytest.raises(InvalidInput, match="To upload a CSV"):
        new(gallery, io.BytesIO(b"junk"))
    client.force_login(member(gallery, Role.CURATOR).user)
    page = client.post("/galleries/staff/imports", {"file": upload(b"junk", "x.zip")})
    assert page.status_code == 400 and "To upload a CSV" in page.content.decode()
    assert not Import.objects.exists() and not ImportPiece.objects.exists()


@pytest.mark.parametrize(
    ("data", "said"), [(b"PK\x03\x04junk", "damaged"), (zipped({"a.txt": b"x"}).getvalue(), "has no photos")]
)
def test_the_job_finds_an_unusable_zip_and_deletes_it(gallery, worker, data, said):
    job = run(new(gallery, io.BytesIO(data)), worker)
    assert job.status == "failed" and said in job.error_message
    assert not ImportPiece.objects.exists()
    resume_import(actor=SYSTEM, job=job)
    assert run(job, worker).status == "failed"


def test_the_web_request_does_not_read_the_zip(gallery, archive, monkeypatch):
    def read(*_):
        raise AssertionError

    monkeypatch.setattr("zipfile.ZipFile._RealGetContents", read)
    assert new(gallery, archive).total is None


def test_the_pages(gallery, archive, worker, client, monkeypatch, django_assert_max_num_queries):
    monkeypatch.setattr(tasks, "start", lambda job: None)
    client.force_login(member(gallery, Role.CURATOR).user)
    page = client.post("/galleries/staff/imports", {"file": upload(archive.getvalue(), "people.zip")}, follow=True)
    assert "No recognition worker is running" in page.content.decode()
    job = Import.objects.get()
    run(job, worker)
    with django_assert_max_num_queries(8):
        text = client.get(f"/imports/{job.pk}/").content.decode()
    assert "5 of 5 files" in text and "multiple_faces" in text and "hx-trigger" not in text
    with django_assert_max_num_queries(8):
        assert "people.zip" in client.get("/galleries/staff/imports").content.decode()


def test_a_large_zip_is_not_held_in_memory():
    """Only its table of contents is; photos are read when they are needed."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(20_000):
            archive.writestr(f"person {number // 10}/{number}.jpg", b"x" * 5_000)
    tracemalloc.start()
    try:
        source = running.FileSource(out)
        assert sum(len(row.read()) for row in source.rows()) == 100_000_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 30_000_000  # bytes
