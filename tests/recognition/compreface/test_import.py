"""Copying from a running CompreFace: from our own endpoints, and from a server that fails in various ways."""

import io
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import CommandError, call_command
from factories import GalleryFactory, IdentityFactory, SampleFactory, member

from accounts.actor import system_actor
from accounts.keys.services import create_api_key
from accounts.models import AuditEvent
from accounts.roles import Role
from faceplatform.errors import InvalidInput
from gallery.curation.services import merge_identities
from gallery.models import FaceSample, Gallery, Identity
from recognition.compreface import source as source_module
from recognition.compreface.client import CompreFaceClient
from recognition.compreface.services import prepare_subjects
from recognition.compreface.source import CompreFaceSource
from recognition.imports.report import report_lines
from recognition.imports.running import run_import
from recognition.imports.services import create_import, resume_import
from recognition.imports.sources import SourceLost
from recognition.photos import in_process
from recognition.photos.services import Photo, submit_enrolment

SYSTEM = system_actor()


# --- From our own endpoints -------------------------------------------------------------------------------------------
@pytest.fixture
def old(transactional_db, worker, monkeypatch, hopper, hopper_again, collins) -> Gallery:
    """A gallery to copy: two people with faces, one without. Commands use the worker that is already loaded."""
    monkeypatch.setattr(in_process, "_worker", lambda: worker)
    gallery = GalleryFactory(slug="old")
    for name, photos in {"Grace": [hopper, hopper_again], "Eileen": [collins], "Nobody yet": []}.items():
        person = IdentityFactory(gallery=gallery, name=name)
        for number, data in enumerate(photos):
            photo = Photo(f"{number}.jpg", data)
            submit_enrolment(actor=SYSTEM, identity=person, photos=[photo], needs_worker=False)
    while worker.run_once():
        pass
    return gallery


@pytest.fixture
def key(old) -> str:
    user = member(old, Role.VIEWER).user
    return create_api_key(actor=SYSTEM, user=user, gallery=old, scopes=["read"])[1]


def run(url: str, key: str, **options) -> str:
    out = io.StringIO()
    call_command("import_compreface", url=url, key=key, gallery="new", create=True, stdout=out, **options)
    return out.getvalue()


def test_subjects_and_faces_are_copied_once(old, key, live_server, tmp_path):
    before = list(Identity.objects.filter(gallery=old).values()), list(FaceSample.objects.values())
    said = run(live_server.url, key, report=tmp_path / "report.csv")
    assert "3 samples of 2 people enrolled, 0 were already enrolled, 0 refused." in said
    new = Gallery.objects.get(slug="new")
    copied = {person.name: person.samples.count() for person in new.identities.all()}
    assert copied == {"Grace": 2, "Eileen": 1, "Nobody yet": 0}
    assert (tmp_path / "report.csv").read_text().count("enrolled") == 3
    assert key not in str(new.imports.values()) and live_server.url in new.imports.get().place

    grace = new.identities.get(name="Grace")
    merge_identities(actor=SYSTEM, into=grace, others=[new.identities.get(name="Eileen")])
    assert "0 samples of 0 people enrolled, 3 were already enrolled, 0 refused." in run(live_server.url, key)
    assert {person.name: person.samples.count() for person in new.identities.all()} == {"Grace": 3, "Nobody yet": 0}
    left = FaceSample.objects.filter(gallery=old)
    assert (list(Identity.objects.filter(gallery=old).values()), list(left.values())) == before
    assert AuditEvent.objects.filter(gallery_id=new.pk, action="import.ended").count() == 2


def test_a_wrong_key_imports_nothing(old, key, live_server):
    with pytest.raises(CommandError, match=r"refuses.*unknown, expired or revoked"):
        run(live_server.url, key + "x")
    with pytest.raises(CommandError, match="COMPREFACE_API_KEY"):
        run(live_server.url, "")
    assert not Gallery.objects.filter(slug="new").exists()


# --- From a server that fails -----------------------------------------------------------------------------------------
class Server:
    """Answers each path from `answers`: (status, body), or a function of the query that returns them."""

    def __init__(self):
        self.answers: dict[str, tuple | Callable] = {}
        self.asked: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def faces(self, *ids: str, subject="Grace") -> None:
        """Serves these faces in pages."""

        def page(query):
            number, size = int(query["page"][0]), int(query["size"][0])
            faces = [{"image_id": pk, "subject": subject} for pk in ids][number * size : (number + 1) * size]
            return 200, json.dumps({"faces": faces, "total_elements": len(ids)}).encode()

        self.answers["recognition/faces"] = page

    def image(self, image_id: str, data: bytes, status: int = 200) -> None:
        self.answers[f"recognition/faces/{image_id}/img"] = (status, data)

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def _handler(server):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                parts = urlsplit(self.path)
                path = parts.path.removeprefix("/api/v1/")
                server.asked.append(path)
                answer = server.answers.get(path, (404, b"<html>not here</html>"))
                status, body = answer(parse_qs(parts.query)) if callable(answer) else answer
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Location", "http://elsewhere.example/")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        return Handler


@pytest.fixture
def server():
    made = Server()
    yield made
    made.close()


@pytest.fixture
def source(server) -> CompreFaceSource:
    return CompreFaceSource(CompreFaceClient(server.url, "a key", pause=0))


def test_a_server_that_goes_away_ends_the_import_which_goes_on_later(db, server, source, worker, hopper, collins):
    gallery = GalleryFactory()
    server.faces("a", "b", "c", "d")
    for name, data in {"a": hopper, "b": b"", "d": collins}.items():
        server.image(name, data)
    server.image("c", b"busy", status=503)
    job = create_import(actor=SYSTEM, gallery=gallery, name="CompreFace", place="there", quality_gate="off")

    def go_on():
        return run_import(job.pk, work=lambda requests: worker.run_once(only=requests), source=source)

    broken = go_on()
    assert (broken.status, "does not answer (HTTP 503)" in broken.error_message) == ("failed", True)
    assert server.asked.count("recognition/faces/c/img") == 4
    server.image("c", b'{"message": "gone", "code": 44}', status=404)
    resume_import(actor=SYSTEM, job=job)
    done = go_on()
    assert (done.status, done.enrolled, done.refused, done.total) == ("done", 2, 2, 4)
    assert server.asked.count("recognition/faces/a/img") == 1
    reasons = {line[2]: line[4] for line in report_lines(done)}
    assert {name: reasons[name] for name in "abcd"} == {"a": "", "b": "photo_missing", "c": "photo_missing", "d": ""}


def test_a_key_that_is_revoked_meanwhile_refuses_no_photo(server, source):
    server.faces("a")
    server.image("a", b'{"message": "Model not found", "code": 10}', status=404)
    [row] = source.rows()
    with pytest.raises(SourceLost, match="Model not found"):
        row.read()


def test_pages_in_no_order_give_each_face_once(server, source, monkeypatch):
    monkeypatch.setattr(source_module, "PAGE_SIZE", 2)
    pages = iter([["a", "b"], ["b", "a"], ["c", "a"], ["b", "c"]])

    def page(query):
        faces = [{"image_id": pk, "subject": "Grace"} for pk in next(pages)]
        return 200, json.dumps({"faces": faces, "total_elements": 3}).encode()

    server.answers["recognition/faces"] = page
    assert [row.path for row in source.rows()] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((302, b""), "elsewhere.example"),
        ((200, b"<html>"), "does not answer as CompreFace"),
        ((200, b"[]"), "does not answer as CompreFace"),
        ((200, b'{"faces": [{"image_id": 5, "subject": null}], "total_elements": 1}'), "does not answer as CompreFace"),
        ((200, b'{"faces": [], "total_elements": "many"}'), "does not answer as CompreFace"),
        ((403, b"nginx"), "HTTP 403"),
        ((404, b'{"message": "Model not found", "code": 10}'), "Model not found"),
    ],
)
def test_a_server_that_is_not_compreface_is_reported(server, source, answer, expected):
    server.answers["recognition/faces"] = answer
    with pytest.raises(InvalidInput, match=expected):
        source.count()
    assert server.asked == ["recognition/faces"]


def test_a_server_that_does_not_answer_is_lost(server, source):
    server.close()
    with pytest.raises(SourceLost, match="refused"):
        source.count()


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://host", "compreface:8000", "http://", "http://a/?x=1", "http://[::1", "http://a:b@c"],
)
def test_only_http_addresses(url):
    with pytest.raises(InvalidInput, match="not an address"):
        CompreFaceClient(url, "key")


# --- Subjects and people ----------------------------------------------------------------------------------------------
def test_a_subject_is_the_person_of_that_name_unless_that_is_doubtful(db):
    gallery = GalleryFactory()
    anna = IdentityFactory(gallery=gallery, name="Anna")
    bert = IdentityFactory(gallery=gallery, name="Bert", external_id="17")
    SampleFactory(identity=anna)
    names = ["anna", "Bert", "Carl", "", "x" * 300]
    assert prepare_subjects(actor=SYSTEM, gallery=gallery, names=names) == ["Bert"]
    people = dict(gallery.identities.values_list("pk", "external_id"))
    assert (people[anna.pk], people[bert.pk], len(people)) == ("anna", "17", 5)
    assert prepare_subjects(actor=SYSTEM, gallery=gallery, names=names) == []
    assert gallery.identities.count() == 5
