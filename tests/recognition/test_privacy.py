"""Retention, export and erasure: what goes, what stays, who may, and that nothing of an erased person is left anywhere."""

import io
import json
import zipfile
from datetime import timedelta

import pytest
from api_client import client_of, problem
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from factories import GalleryFactory, IdentityFactory, SampleFactory, UserFactory, member, stranger, unit

from accounts import audit_chain
from accounts.actor import system_actor
from accounts.models import AuditEvent
from accounts.roles import Role
from faceplatform.errors import Conflict, InvalidInput, NotAllowed, NotFound
from gallery import curation, services
from gallery.history import undo
from gallery.models import FaceSample, Identity
from recognition.models import Erasure, Import, ImportPiece, ImportRow, RecognitionFace, RecognitionRequest
from recognition.privacy.erasure import erase_subject, noted_erasures, replay, report_of
from recognition.privacy.export import begin_export, export_blocks
from recognition.privacy.retention import due_today
from recognition.privacy.services import apply_retention, set_retention
from recognition.privacy.subject import find_subject
from recognition.rejections import reject_identity
from recognition.services import Photo, submit_enrolment, submit_recognition
from recognition.tasks import clean_daily

pytestmark = pytest.mark.django_db
ACTOR = system_actor()


@pytest.fixture
def gallery():
    return GalleryFactory(keep_photos=True)


@pytest.fixture(autouse=True)
def own_data_dir(settings, tmp_path):
    """Erasures are noted in a file there."""
    settings.DATA_DIR = tmp_path


def enrol(worker, gallery, name: str, photo: bytes, **fields) -> Identity:
    person = services.create_identity(actor=ACTOR, gallery=gallery, name=name, **fields)
    photos = [Photo(f"{name.lower().replace(' ', '_')}.jpg", photo)]
    submit_enrolment(actor=ACTOR, identity=person, photos=photos, needs_worker=False)
    worker.run_once()
    return person


def recognise(worker, gallery, photo: bytes, name: str) -> RecognitionRequest:
    row = submit_recognition(actor=ACTOR, gallery=gallery, photo=Photo(name, photo), needs_worker=False)
    worker.run_once()
    return RecognitionRequest.objects.get(pk=row.pk)


@pytest.fixture
def lived_in(worker, gallery, hopper, hopper_again, collins, both):
    """A gallery in which much has happened with Grace: renamed, merged, moved, recognised alone and with Eileen, imported."""
    grace = enrol(worker, gallery, "Grace Murray", hopper, external_id="usn-1906")
    grace = services.update_identity(
        actor=ACTOR, identity=grace, name="Grace Hopper", metadata={"rank": "rear admiral"}
    )
    eileen = enrol(worker, gallery, "Eileen Collins", collins)
    double = IdentityFactory(gallery=gallery, name="Amazing Grace")
    SampleFactory(identity=double, vector=unit(3), photo_name="amazing.jpg")
    curation.merge_identities(actor=ACTOR, into=grace, others=[double])
    undone = curation.split_identity(
        actor=ACTOR, identity=grace, samples=[grace.samples.get(photo_name="amazing.jpg").pk], name="Grandma COBOL"
    )
    undo(actor=ACTOR, event=undone.event)
    moved = grace.samples.get(photo_name="amazing.jpg")
    curation.move_sample(actor=ACTOR, sample=moved, to=eileen)
    curation.move_sample(actor=ACTOR, sample=FaceSample.objects.get(pk=moved.pk), to=grace)
    job = Import.objects.create(gallery=gallery, name="grace-hopper.zip", status="failed", finished_at=timezone.now())
    ImportPiece.objects.create(job=job, number=0, data=b"Grace Hopper")
    for row in (
        {
            "path": "Grace Hopper/1.jpg",
            "name": "Grace Hopper",
            "key": "usn-1906",
            "status": "enrolled",
            "identity": grace,
        },
        {"path": "2.jpg", "name": "E", "key": "e", "status": "refused", "reason": "It looks more like Grace Hopper."},
        {"path": "3.jpg", "name": "Eileen Collins", "key": "eileen", "status": "enrolled", "identity": eileen},
    ):
        ImportRow.objects.create(job=job, **row)
    LogEntry.objects.create(
        user=UserFactory(), content_type=ContentType.objects.get_for_model(Identity), object_id=str(grace.pk),
        object_repr="Grace Hopper", action_flag=CHANGE,
    )  # fmt: skip
    return {
        "grace": grace,
        "eileen": eileen,
        "alone": recognise(worker, gallery, hopper_again, "at the door.jpg"),
        "both": recognise(worker, gallery, both, "grace_hopper-and-eileen.jpg"),
        "eileen alone": recognise(worker, gallery, collins, "eileen.jpg"),
    }


def tables_with(text: str) -> list[str]:
    """The tables of the whole database in which a row, as text, holds `text`; bytes are looked into, too."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            hexed = text.encode().hex()
            cursor.execute(
                f"SELECT count(*) FROM {table} t WHERE t::text ILIKE %s OR t::text ILIKE %s",
                [f"%{text}%", f"%{hexed}%"],
            )
            if cursor.fetchone()[0]:
                found.append(table)
    return found


def erase(person: Identity, *, actor=ACTOR, reason: str = "asked by letter") -> Erasure:
    subject = find_subject(person.pk)
    return erase_subject(actor=actor, subject=subject, confirm=subject.name, reason=reason)


# --- Retention --------------------------------------------------------------------------------------------------------
def age(model, days: int, **lookup) -> None:
    model.objects.filter(**lookup).update(finished_at=timezone.now() - timedelta(days=days))


def test_each_category_goes_in_its_time(worker, lived_in, gallery, settings):
    settings.REQUEST_RETENTION_DAYS = 30
    stranger_seen = lived_in["eileen alone"]
    stranger_seen.faces.update(decision="unknown", identity=None)
    waiting = submit_recognition(
        actor=ACTOR, gallery=gallery, photo=Photo("a.png", bytes(stranger_seen.photo)), needs_worker=False
    )
    for row, days in ((lived_in["alone"], 31), (lived_in["both"], 15), (stranger_seen, 15)):
        age(RecognitionRequest, days, pk=row.pk)
    rules = set_retention(actor=ACTOR, gallery=gallery, photos="20", unknown_faces="14", imports="keep")
    assert rules == {"requests": "default", "photos": "20", "unknown_faces": "14", "imports": "keep"}
    dues = {due.category: due for due in due_today(gallery)}
    assert {name: (due.count, due.days) for name, due in dues.items()} == {
        "requests": (1, 30), "photos": (1, 20), "unknown_faces": (1, 14), "imports": (0, None)
    }  # fmt: skip
    crop = len(stranger_seen.faces.get().crop)
    assert dues["unknown_faces"].bytes == crop and dues["photos"].bytes == len(lived_in["alone"].photo)
    assert dues["requests"].oldest < timezone.now() - timedelta(days=30)
    before = RecognitionRequest.objects.count()
    clean_daily(0)
    assert RecognitionRequest.objects.count() == before - 1
    assert AuditEvent.objects.get(action="retention.applied").details == {
        "requests": 1, "photos": 0, "unknown_faces": 1, "imports": 0
    }  # fmt: skip
    face = stranger_seen.faces.get()
    assert (bytes(face.crop), face.vector, face.decision) == (b"", None, "unknown")
    assert RecognitionRequest.objects.get(pk=stranger_seen.pk).photo is not None
    age(RecognitionRequest, 25, pk=stranger_seen.pk)
    assert apply_retention(actor=ACTOR, gallery=gallery)["photos"] == 1
    kept = RecognitionRequest.objects.get(pk=stranger_seen.pk)
    assert (kept.photo, kept.keep_photo) == (None, False)
    assert RecognitionRequest.objects.get(pk=waiting.pk).photo is not None
    assert not any(due.count for due in due_today(gallery))
    assert apply_retention(actor=ACTOR, gallery=gallery)["requests"] == 0
    assert AuditEvent.objects.filter(action="retention.applied").count() == 2


@pytest.mark.parametrize("bad", ["0", "-1", "x", "1e3", "99999", ""])
def test_a_bad_rule_is_refused(gallery, bad):
    with pytest.raises(InvalidInput, match="keep"):
        set_retention(actor=ACTOR, gallery=gallery, requests=bad)
    with pytest.raises(InvalidInput, match="Categories"):
        set_retention(actor=ACTOR, gallery=gallery, cameras="3")
    assert not gallery.retention_rules.exists()


def test_retention_over_rest_is_the_owners(gallery):
    address = f"/api/v1/galleries/{gallery.slug}/retention"
    curator = client_of(member(gallery, Role.CURATOR))
    assert [due["category"] for due in curator.get(address).json()] == [
        "requests",
        "photos",
        "unknown_faces",
        "imports",
    ]
    problem(curator.patch(address, {"photos": "7"}, format="json"), 403, "not_allowed")
    problem(client_of(member(gallery, Role.VIEWER)).get(address), 403, "not_allowed")
    problem(client_of(stranger()).get(address), 404, "not_found")
    assert not gallery.retention_rules.exists()
    answer = client_of(member(gallery, Role.OWNER)).patch(address, {"photos": "7"}, format="json").json()
    assert [due["days"] for due in answer if due["category"] == "photos"] == [7]
    out = io.StringIO()
    call_command("retention", "--gallery", gallery.slug, "--dry-run", stdout=out)
    assert "Photos: kept 7 days; 0 past it" in out.getvalue()
    with pytest.raises(CommandError, match="no gallery"):
        call_command("retention", "--gallery", "nowhere")


# --- Export -----------------------------------------------------------------------------------------------------------
def exported(person: Identity) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(b"".join(export_blocks(find_subject(person.pk))))) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def lines(files: dict[str, bytes], name: str) -> list[dict]:
    return [json.loads(line) for line in files[name].decode().splitlines()]


def test_an_export_holds_all_of_one_person_and_nobody_else(lived_in):
    grace, files = lived_in["grace"], exported(lived_in["grace"])
    people = json.loads(files["identity.json"])
    assert [person["name"] for person in people] == ["Grace Hopper", "Amazing Grace"]
    assert people[0]["metadata"] == {"rank": "rear admiral"}
    assert "Grace Murray" in [row["name"] for row in lines(files, "history.jsonl")]
    samples = lines(files, "samples.jsonl")
    assert {sample["photo_name"] for sample in samples} == {"grace_murray.jpg", "amazing.jpg"}
    assert {f"samples/{sample['id']}.jpg" for sample in samples} <= set(files)
    assert {row["dimensions"] for row in lines(files, "embeddings.jsonl")} == {128}
    found = lines(files, "recognitions.jsonl")
    assert {row["id"] for row in found} == {str(lived_in["alone"].pk), str(lived_in["both"].pk)}
    assert {name for row in found for name in (c["identity"] for c in row["candidates"])} == {
        "Grace Hopper", "(another person)"
    }  # fmt: skip
    pictures = [name for name in files if name.startswith("recognitions/")]
    assert len(pictures) == 2 and all(files[name].startswith(b"\xff\xd8") for name in pictures)
    assert [row["path"] for row in lines(files, "imports.jsonl")] == ["Grace Hopper/1.jpg"]
    done = lines(files, "audit.jsonl")
    assert {"identity.created", "identity.changed", "identity.merged", "sample.moved"} <= {
        row["action"] for row in done
    }
    assert set(files["README.txt"].decode().split()) >= {name for name in files if "/" not in name} - {"README.txt"}
    text = b"".join(data for name, data in files.items() if not name.endswith(".jpg"))
    assert b"eileen" not in text.lower() and str(lived_in["eileen"].pk).encode() not in text
    assert str(grace.pk).encode() in text


def test_not_x_is_honoured_in_the_export_and_an_erasure(lived_in):
    """A face that a curator took from Grace is nobody's of hers; one that is hers after another's was taken is."""
    grace, eileen = lived_in["grace"], lived_in["eileen"]
    face = lived_in["alone"].faces.get()
    reject_identity(actor=ACTOR, face=face, identity=grace)
    theirs = lived_in["eileen alone"].faces.get()
    theirs.candidates.filter(identity=grace).update(distance=0.1, rank=9)
    reject_identity(actor=ACTOR, face=theirs, identity=eileen)
    found = {row["id"] for row in lines(exported(grace), "recognitions.jsonl")}
    assert found == {str(lived_in["both"].pk), str(lived_in["eileen alone"].pk)}
    erase(grace)
    face.refresh_from_db()
    assert (face.decision, face.identity, len(face.crop) > 0) == ("unknown", None, True)
    assert not RecognitionFace.objects.filter(pk=theirs.pk).exists()


def test_only_curators_export(gallery):
    subject = find_subject(IdentityFactory(gallery=gallery).pk)
    for actor in (member(gallery, Role.VIEWER), stranger()):
        with pytest.raises(NotAllowed):
            begin_export(actor=actor, subject=subject)
    address = f"/api/v1/identities/{subject.people[0]}/export"
    problem(client_of(stranger()).get(address), 404, "not_found")
    problem(client_of(member(gallery, Role.VIEWER)).get(address), 403, "not_allowed")
    assert not AuditEvent.objects.exists()
    answer = client_of(member(gallery, Role.CURATOR)).get(address)
    assert zipfile.ZipFile(io.BytesIO(answer.getvalue())).namelist()[0] == "README.txt"
    assert AuditEvent.objects.get().action == "identity.exported"


# --- Erasure ----------------------------------------------------------------------------------------------------------
def test_nothing_of_an_erased_person_is_left(lived_in, gallery):
    grace, eileen = lived_in["grace"], lived_in["eileen"]
    assert {"gallery_identity", "accounts_auditevent", "gallery_identityhistory", "recognition_importrow"} <= set(
        tables_with("Grace")
    )
    owner = member(gallery, Role.OWNER)
    erasure = erase(grace, actor=owner)
    for text in ("Grace", "Murray", "usn-1906", "rear admiral"):
        assert tables_with(text) == [], text
    kept = {"recognition_erasure", "accounts_auditevent"}  # the report, and the erasure's own event
    for pk in find_ids(erasure):
        assert set(tables_with(pk)) == kept
    assert not RecognitionRequest.objects.filter(pk=lived_in["alone"].pk).exists()
    both = RecognitionRequest.objects.get(pk=lived_in["both"].pk)
    assert (both.photo, both.photo_name, both.keep_photo) == (None, "", False)
    assert [face.identity for face in both.faces.all()] == [eileen]
    assert RecognitionRequest.objects.get(pk=lived_in["eileen alone"].pk).photo is not None
    assert [row.name for row in ImportRow.objects.order_by("id")] == ["(erased)", "(erased)", "Eileen Collins"]
    assert not ImportPiece.objects.exists()
    assert eileen.samples.count() == 1 and tables_with("Eileen")
    assert set(Identity.with_deleted.values_list("name", flat=True)) == {"Eileen Collins", "Grandma COBOL"}

    audit_chain.seal()
    found = audit_chain.verify()
    assert (found.broken, found.redacted) == ("", {erasure.event_id: erasure.counts["accounts_auditevent"]})
    assert erasure.counts["gallery_identity"] == 2 and erasure.counts["gallery_facesample"] == 2
    event = AuditEvent.objects.get(pk=erasure.event_id)
    assert (event.action, event.user, event.details["identities"]) == (
        "identity.erased", owner.user, [str(pk) for pk in erasure.identities]
    )  # fmt: skip
    assert AuditEvent.objects.filter(redacted_by=event.pk, action="identity.merged").exists()


def find_ids(erasure: Erasure) -> list[str]:
    return [str(pk) for pk in erasure.identities]


def test_what_was_done_to_them_cannot_be_undone(lived_in):
    event = AuditEvent.objects.filter(action="identity.merged").first()
    erase(lived_in["grace"])
    with pytest.raises(Conflict, match="purged"):
        undo(actor=ACTOR, event=event)
    moved = AuditEvent.objects.filter(action="sample.moved").first()
    with pytest.raises(Conflict, match="purged"):
        undo(actor=ACTOR, event=moved)


def test_texts_about_a_namesake_stay(gallery):
    one, other = (services.create_identity(actor=ACTOR, gallery=gallery, name="Ann Lee") for _ in range(2))
    longer = services.create_identity(actor=ACTOR, gallery=gallery, name="Ann Leeward")
    erase(one)
    for person in (other, longer):
        assert AuditEvent.objects.get(object_id=str(person.pk)).object_name == person.name
    assert AuditEvent.objects.get(object_id=str(one.pk)).object_name == ""
    erase(other)
    assert AuditEvent.objects.get(object_id=str(other.pk)).object_name == ""
    assert AuditEvent.objects.get(object_id=str(longer.pk)).object_name == "Ann Leeward"
    assert tables_with("Ann Lee") == tables_with("Ann Leeward")


@pytest.mark.parametrize(
    ("name", "photo", "stays"),
    [
        ("José Ñandú", "josé-ñandú2.jpg", "Joséñ Andú"),
        ("O'Brien (IT) + Co.", "o'brien_(it)_+_co.png", "O'Briens (IT) + Co."),
        ("s1", "S1.pgm", "s10"),
        ("100% Ann_Lee", "100% ann lee.jpg", "1000 Ann Lees"),
    ],
)
def test_names_of_any_kind_in_file_names(gallery, hopper, name, photo, stays):
    person = services.create_identity(actor=ACTOR, gallery=gallery, name=name)
    for called in (photo, f"{stays}.jpg"):
        submit_recognition(actor=ACTOR, gallery=gallery, photo=Photo(called, hopper), needs_worker=False)
    erase(person)
    assert list(RecognitionRequest.objects.order_by("id").values_list("photo_name", flat=True)) == ["", f"{stays}.jpg"]
    events = AuditEvent.objects.filter(action="recognition.requested").order_by("id")
    assert [bool(event.redacted_by) for event in events] == [True, False]


def test_an_act_goes_whole_when_the_recognition_itself_is_long_gone(worker, lived_in):
    key = lived_in["alone"].pk
    lived_in["alone"].delete()
    erase(lived_in["grace"])
    events = AuditEvent.objects.filter(object_id=str(key))
    assert [(event.action, bool(event.redacted_by)) for event in events.order_by("id")] == [
        ("recognition.requested", True), ("recognition.answered", True)
    ]  # fmt: skip


def test_somebody_purged_long_ago_is_still_erased_from_the_audit(gallery):
    person = services.create_identity(actor=ACTOR, gallery=gallery, name="Ann Lee")
    services.delete_identity(actor=ACTOR, identity=person)
    curation.purge_deleted(before=timezone.now() + timedelta(days=1))
    assert tables_with("Ann Lee") == ["accounts_auditevent"]
    assert erase(person).identities == [person.pk]
    assert tables_with("Ann Lee") == []
    with pytest.raises(NotFound):
        find_subject(person.pk)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"confirm": "Ann"}, InvalidInput),
        ({"reason": "  "}, InvalidInput),
        ({"reason": "ann lee asked for it"}, InvalidInput),
        ({"actor": "curator"}, NotAllowed),
        ({"actor": "stranger"}, NotAllowed),
        ({"import": "running"}, Conflict),
    ],
)
def test_an_erasure_is_refused_and_nothing_changes(gallery, values, error):
    subject = find_subject(IdentityFactory(gallery=gallery, name="Ann Lee").pk)
    actors = {"curator": member(gallery, Role.CURATOR), "stranger": stranger()}
    if "import" in values:
        Import.objects.create(
            gallery=gallery, name="a", status="running", runner=gallery.pk, lease_expires_at=timezone.now()
        )
    with pytest.raises(error):
        erase_subject(
            actor=actors.get(values.get("actor"), ACTOR),
            subject=subject,
            confirm=values.get("confirm", "ann lee "),
            reason=values.get("reason", "asked by letter"),
        )
    assert Identity.objects.count() == 1
    assert not Erasure.objects.exists() and not AuditEvent.objects.exists()


def test_a_restored_backup_is_erased_again(gallery, settings, tmp_path, django_capture_on_commit_callbacks):
    person = IdentityFactory(gallery=gallery, name="Ann Lee")
    row = Identity.objects.filter(pk=person.pk).values().get()
    with django_capture_on_commit_callbacks(execute=True):
        erasure = erase(person)
    assert json.loads((tmp_path / "erasures.jsonl").read_text()) == report_of(erasure)
    Erasure.objects.all().delete()  # as the backup has it: the person is there, the erasure is not
    Identity(**row).save(force_insert=True)
    assert noted_erasures() == {person.pk: "asked by letter"}
    [again] = replay(actor=ACTOR, erased=noted_erasures())
    assert again.identities == [person.pk] and "Again after a restore" in again.reason
    assert tables_with("Ann Lee") == []
    assert replay(actor=ACTOR, erased=noted_erasures()) == []
    out = io.StringIO()
    call_command("erase_subject", "--list", stdout=out)
    (tmp_path / "list").write_text(out.getvalue())
    (tmp_path / "erasures.jsonl").unlink()
    Erasure.objects.all().delete()
    Identity(**row).save(force_insert=True)
    call_command("erase_subject", "--replay", str(tmp_path / "list"), stdout=out)
    assert not Identity.with_deleted.exists()
    (tmp_path / "list").write_text("junk")
    with pytest.raises(CommandError, match="no list"):
        call_command("erase_subject", "--replay", str(tmp_path / "list"))


def test_erasure_over_rest(gallery):
    person = IdentityFactory(gallery=gallery, name="Ann Lee")
    address, body = f"/api/v1/identities/{person.pk}/erasure", {"confirm": "Ann Lee", "reason": "asked by letter"}
    problem(client_of(member(gallery, Role.CURATOR)).post(address, body, format="json"), 403, "not_allowed")
    problem(client_of(stranger()).post(address, body, format="json"), 404, "not_found")
    owner = client_of(member(gallery, Role.OWNER))
    problem(owner.post(address, body | {"confirm": "x"}, format="json"), 400, "not_confirmed")
    assert Identity.objects.exists()
    answer = owner.post(address, body, format="json")
    assert answer.status_code == 201
    report = answer.json()
    assert report["counts"]["gallery_identity"] == 1
    assert owner.get(f"/api/v1/erasures/{report['id']}").json() == report
    assert owner.get("/api/v1/erasures", {"gallery": gallery.slug}).json()["results"] == [report]
    problem(client_of(member(gallery, Role.CURATOR)).get(f"/api/v1/erasures/{report['id']}"), 404, "not_found")
    problem(owner.post(address, body, format="json"), 404, "not_found")
    services.delete_gallery(actor=ACTOR, gallery=gallery)
    assert report_of(Erasure.objects.get()) == report  # it outlives the gallery


# --- Pages ------------------------------------------------------------------------------------------------------------
def test_the_pages(client, gallery, django_assert_max_num_queries):
    today = timezone.localdate()
    given = {"consent": "given", "consent_by": "form", "consent_at": today - timedelta(days=400)}
    for name, consent in {
        "Ending": given | {"consent_until": today + timedelta(days=3)},
        "Expired": given | {"consent_until": today - timedelta(days=3)},
        "Withdrawn": {"consent": "withdrawn"},
    }.items():
        IdentityFactory(gallery=gallery, name=f"{name} Person", **consent)
    client.force_login(member(gallery, Role.OWNER).user)
    address = f"/galleries/{gallery.slug}/privacy"
    with django_assert_max_num_queries(30):
        page = client.get(address)
    for name in ("ending", "expired", "withdrawn"):
        assert [person.name for person in page.context[name]] == [f"{name.capitalize()} Person"]
    values = {"requests": "90", "photos": "default", "unknown_faces": "7", "imports": "keep", "requires_consent": "on"}
    assert client.post(address, values | {"photos": "x"}).status_code == 400
    assert client.post(address, values).status_code == 302
    gallery.refresh_from_db()
    assert gallery.requires_consent
    assert dict(gallery.retention_rules.values_list("category", "days")) == {
        "requests": 90, "unknown_faces": 7, "imports": None
    }  # fmt: skip
    person = gallery.identities.get(name="Withdrawn Person")
    services.delete_identity(actor=ACTOR, identity=person)
    assert list(client.get(address).context["deleted"]) == [person]
    zipped = client.post(f"{person.get_absolute_url()}export")
    assert zipped.getvalue().startswith(b"PK")
    erasing = f"{person.get_absolute_url()}erase"
    assert "Erase Withdrawn Person" in client.get(erasing).content.decode()
    assert client.post(erasing, {"confirm": "somebody", "reason": "asked"}).status_code == 400
    done = client.post(erasing, {"confirm": "Withdrawn Person", "reason": "asked"}, follow=True)
    assert done.status_code == 200 and b"Withdrawn" not in done.content
    report = client.get(done.request["PATH_INFO"], {"download": ""})
    assert report.json()["counts"]["gallery_identity"] == 1

    client.force_login(member(gallery, Role.CURATOR).user)
    assert client.get(address).status_code == 200
    assert client.post(address, values).status_code == 403
    assert client.get(f"{gallery.identities.first().get_absolute_url()}erase").status_code == 403
    client.force_login(member(gallery, Role.VIEWER).user)
    assert client.get(address).status_code == 403
    assert client.post(f"{gallery.identities.first().get_absolute_url()}export").status_code == 403
