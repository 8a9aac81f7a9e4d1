"""Erasure: what is deleted, what stays, who may erase, and that nothing of an erased person is left anywhere."""

import io
import json
from datetime import timedelta

import pytest
from api_client import client_of, problem
from django.core.management import CommandError, call_command
from django.utils import timezone
from factories import GalleryFactory, IdentityFactory, SampleFactory, UserFactory, member, stranger, unit
from subjects import erase, tables_with
from table_owner import as_owner

from accounts.actor import Actor, system_actor
from accounts.audit import chain
from accounts.models import AuditEvent, Membership
from accounts.roles import Role
from faceplatform.errors import Conflict, InvalidInput, NotAllowed, NotFound
from gallery import services
from gallery.bulk.moving import move_people
from gallery.closing import close_gallery
from gallery.curation import services as curation
from gallery.curation.history import undo
from gallery.models import Identity
from recognition.imports.models import Import, ImportPiece, ImportRow
from recognition.photos.models import RecognitionRequest
from recognition.photos.services import Photo, submit_recognition
from recognition.privacy.erasure import erase_subject, recorded_erasures, repeat_erasures, report_of
from recognition.privacy.gallery_deletion import delete_due
from recognition.privacy.models import Erasure
from recognition.privacy.subject import find_subject

pytestmark = pytest.mark.django_db
ACTOR = system_actor()


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

    chain.seal()
    found = chain.verify()
    assert (found.broken, found.redacted) == ("", {erasure.event_id: erasure.counts["accounts_auditevent"]})
    assert erasure.counts["gallery_identity"] == 2 and erasure.counts["gallery_facesample"] == 2
    event = AuditEvent.objects.get(pk=erasure.event_id)
    assert (event.action, event.user, event.details["identities"]) == (
        "identity.erased", owner.user, [str(pk) for pk in erasure.identities]
    )  # fmt: skip
    assert AuditEvent.objects.filter(redacted_by=event.pk, action="identity.merged").exists()


def find_ids(erasure: Erasure) -> list[str]:
    return [str(pk) for pk in erasure.identities]


def test_file_names_that_another_system_has_decomposed_are_found(gallery):
    """Import reports keep the paths as they are written."""
    zoe = services.create_identity(actor=ACTOR, gallery=gallery, name="Zoë Kravitz")
    job = Import.objects.create(gallery=gallery, name="people.zip")
    path = "Zoe\u0308_Kravitz/1.jpg"
    ImportRow.objects.create(job=job, path=path, name="Zoe\u0308 Kravitz", key="Zoë", status=ImportRow.Status.REFUSED)
    assert tables_with("Zoe\u0308") == ["recognition_importrow"]
    erase(zoe)
    assert tables_with("Zoe\u0308") == tables_with("Zoë") == []


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


def test_all_events_of_a_recognition_are_redacted_even_if_it_was_deleted_long_ago(worker, lived_in):
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


def test_people_of_a_gallery_deleted_without_a_report_are_found_exported_and_erased(lived_in, gallery, tmp_path):
    """As deleting a gallery once did it: the names stayed in the audit and the history."""
    grace, eileen = lived_in["grace"].pk, lived_in["eileen"].pk
    client, owner = client_of(Actor(user=UserFactory(is_superuser=True))), client_of(member(gallery, Role.OWNER))
    gallery.delete()
    assert {"accounts_auditevent", "gallery_identityhistory"} <= set(tables_with("Hopper"))
    out = io.StringIO()
    call_command("erase_subject", "--find", "hopper", stdout=out)
    assert [line.split()[0] for line in out.getvalue().splitlines()] == [str(grace)]
    call_command("export_subject", str(grace), str(tmp_path / "grace.zip"))
    body = {"confirm": "Grace Hopper", "reason": "asked by letter"}
    problem(owner.post(f"/api/v1/identities/{grace}/erasure", body, format="json"), 404, "not_found")
    assert client.post(f"/api/v1/identities/{grace}/erasure", body, format="json").status_code == 201
    call_command("erase_subject", str(eileen), "--name", "Eileen Collins", "--reason", "letter", stdout=out)
    assert set(tables_with("usn-1906")) | set(tables_with("Eileen Collins")) <= {"django_admin_log"}
    call_command("erase_subject", "--find", "Eileen", stdout=(out := io.StringIO()))
    assert out.getvalue() == ""


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
    with as_owner():  # as the backup has it: the person is there, the erasure is not
        Erasure.objects.all().delete()
    Identity(**row).save(force_insert=True)
    assert recorded_erasures() == {person.pk: "asked by letter"}
    [again] = repeat_erasures(actor=ACTOR, erased=recorded_erasures())
    assert again.identities == [person.pk] and "Again after a restore" in again.reason
    assert tables_with("Ann Lee") == []
    assert repeat_erasures(actor=ACTOR, erased=recorded_erasures()) == []
    out = io.StringIO()
    call_command("erase_subject", "--list", stdout=out)
    (tmp_path / "list").write_text(out.getvalue())
    (tmp_path / "erasures.jsonl").unlink()
    with as_owner():
        Erasure.objects.all().delete()
    Identity(**row).save(force_insert=True)
    call_command("erase_subject", "--replay", str(tmp_path / "list"), stdout=out)
    assert not Identity.with_deleted.exists()
    (tmp_path / "list").write_text("junk")
    with pytest.raises(CommandError, match="not a list"):
        call_command("erase_subject", "--replay", str(tmp_path / "list"))


def test_erasure_over_rest(gallery, settings):
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
    settings.GALLERY_DELETION_DAYS = 0
    close_gallery(actor=ACTOR, gallery=gallery)
    delete_due(actor=ACTOR)
    assert report_of(Erasure.objects.get(whole_gallery=False)) == report  # it outlives the gallery


def test_somebody_who_moved_here_is_erased_where_they_were_as_well(gallery):
    to, owner = GalleryFactory(), member(gallery, Role.OWNER)
    Membership.objects.create(user=owner.user, gallery=to, role=Role.OWNER)
    person = IdentityFactory(gallery=gallery, name="Zoe Zimt")
    SampleFactory(identity=person, vector=unit(0))
    move_people(actor=owner, gallery=gallery, people=[person.pk], to=to)
    there = Identity.objects.get(gallery=to)
    of_one = member(to, Role.OWNER)
    with pytest.raises(NotAllowed, match="traces of them are left there"):
        erase_subject(actor=of_one, subject=find_subject(there.pk), confirm="Zoe Zimt", reason="asked")
    assert Identity.objects.filter(pk=there.pk).exists()
    erase_subject(actor=owner, subject=find_subject(there.pk), confirm="Zoe Zimt", reason="asked")
    assert not Identity.with_deleted.filter(name="Zoe Zimt").exists()
    assert "Zoe" not in str(list(AuditEvent.objects.values()))
    assert Erasure.objects.count() == 2
