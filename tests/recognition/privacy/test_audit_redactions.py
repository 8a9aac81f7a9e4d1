"""What the database lets an erasure empty in the audit, and what `audit verify` says of redactions that no erasure did."""

import json

import pytest
from django.db import connection, transaction
from django.db.utils import DatabaseError
from factories import GalleryFactory, SampleFactory, member
from subjects import erase
from table_owner import as_owner

from accounts import audit
from accounts.actor import system_actor
from accounts.audit import chain
from accounts.models import AuditEvent
from accounts.roles import Role
from accounts.users.services import set_membership
from gallery import services
from gallery.curation import services as curation
from gallery.curation.history import undo
from gallery.models import Identity
from recognition.privacy.models import Erasure

pytestmark = pytest.mark.django_db
ACTOR = system_actor()


@pytest.fixture
def kept(gallery, hopper, worker) -> list[AuditEvent]:
    """Events that no erasure of Ann Lee may empty: of other people, settings, members and another gallery."""
    from recognition.photos.services import Photo, submit_recognition

    ben = services.create_identity(actor=ACTOR, gallery=gallery, name="Ben Bo")
    services.create_identity(actor=ACTOR, gallery=GalleryFactory(), name="Ann Lee")
    services.update_gallery(actor=ACTOR, gallery=gallery, name="Friends of Ann Lee")
    set_membership(actor=ACTOR, gallery=gallery, user=member(GalleryFactory(), Role.VIEWER).user, role=Role.CURATOR)
    sample = SampleFactory(identity=ben)
    services.delete_sample(actor=ACTOR, sample=sample)
    submit_recognition(actor=ACTOR, gallery=gallery, photo=Photo("door.jpg", hopper), needs_worker=False)
    worker.run_once()
    return list(AuditEvent.objects.order_by("id"))


@pytest.fixture
def ann(gallery) -> Identity:
    return services.create_identity(actor=ACTOR, gallery=gallery, name="Ann Lee")


def pretend(person: Identity, events: list[AuditEvent], **changed) -> AuditEvent:
    """An erasure as the application's role can write it by itself: its report, its event, and the redaction."""
    ids = [event.pk for event in events]
    gallery, people = person.gallery, [str(person.pk)]
    report = Erasure.objects.create(gallery=gallery, gallery_slug=gallery.slug, identities=people, erased_by="x")
    details = {"identities": people} | chain.redaction_details(ids) | changed
    event = audit.record(actor=ACTOR, action=chain.ERASED, gallery=gallery, target=report, details=details)
    Erasure.objects.filter(pk=report.pk).update(event_id=event.pk)
    chain.redact(erasure=event, events=ids)
    return event


def texts() -> list[tuple]:
    return list(AuditEvent.objects.order_by("id").values_list("object_name", "details", "redacted_by"))


def tamper(statement: str, *values) -> None:
    """Runs `statement` as somebody would who can switch off the triggers."""
    with as_owner(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for switch in ("DISABLE", "ENABLE"):
            for table in ("accounts_auditevent", "accounts_auditseal"):
                cursor.execute(f"ALTER TABLE {table} {switch} TRIGGER USER")
            if switch == "DISABLE":
                cursor.execute(statement, values)


def blank(events: list[AuditEvent], erasure: AuditEvent) -> None:
    ids = [event.pk for event in events]
    tamper(
        "UPDATE accounts_auditevent SET object_name = '', details = '{}', redacted_by = %s WHERE id = ANY(%s)",
        erasure.pk,
        ids,
    )
    tamper("UPDATE accounts_auditseal SET salt = NULL WHERE event_id = ANY(%s)", ids)


def test_an_erasure_empties_only_its_own_persons_events(kept, ann):
    own = [*AuditEvent.objects.filter(object_id=str(ann.pk))]
    before = texts()
    assert len(kept) > 6
    for event in kept:
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            pretend(ann, [*own, event])
        assert texts() == before, event.action
    pretend(ann, own)
    assert [event.redacted_by is not None for event in AuditEvent.objects.filter(object_id=str(ann.pk))] == [True]


@pytest.mark.parametrize(
    "pretext",
    [
        {"action": "identity.erased"},
        {"action": "identity.erased", "object_type": "erasure", "object_id": "01900000-0000-7000-8000-000000000000"},
        {"action": "identity.erased", "object_type": "erasure", "details": {"identities": []}},
        {"action": "identity.purged"},
    ],
)
def test_an_event_that_is_called_an_erasure_is_none(gallery, ann, pretext):
    report = Erasure.objects.create(gallery=gallery, gallery_slug="a", identities=[ann.pk], erased_by="x")
    values = {"via": "system", "gallery_id": gallery.pk, "object_id": str(report.pk), "details": {}} | pretext
    event = AuditEvent.objects.create(**values)
    before = texts()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        chain.redact(erasure=event, events=[AuditEvent.objects.get(object_id=str(ann.pk)).pk])
    assert texts() == before


@pytest.mark.django_db(transaction=True)
def test_a_past_erasure_empties_nothing_more(gallery):
    ann = services.create_identity(actor=ACTOR, gallery=gallery, name="Ann Lee")
    erasure = erase(ann)
    late = audit.record(actor=ACTOR, action="identity.exported", gallery=gallery, target=ann)
    with pytest.raises(DatabaseError, match="no erasure that is going on"), transaction.atomic():
        chain.redact(erasure=AuditEvent.objects.get(pk=erasure.event_id), events=[late.pk])
    late.refresh_from_db()
    assert (late.object_name, late.redacted_by) == ("Ann Lee", None)


def test_verify_shows_what_was_emptied_past_the_triggers(kept, ann):
    erasure = AuditEvent.objects.get(pk=erase(ann).event_id)
    chain.seal(everything=True)
    assert chain.verify().broken == ""
    own = [*AuditEvent.objects.filter(redacted_by=erasure.pk)]
    for event in kept:
        with transaction.atomic():
            blank([event], erasure)
            assert "does not say so" in chain.verify().broken
            transaction.set_rollback(True)
    assert chain.verify().broken == ""
    for statement, says in (
        ("DELETE FROM recognition_erasure", "no report of that erasure"),
        ("UPDATE recognition_erasure SET identities = '{}'", "no report of that erasure"),
        ("UPDATE recognition_erasure SET event_id = gen_random_uuid()", "no report of that erasure"),
        ("UPDATE recognition_erasure SET gallery_id = gen_random_uuid()", "no report of that erasure"),
    ):
        with transaction.atomic():
            tamper(statement)
            assert says in chain.verify().broken and str(own[0].pk) in chain.verify().broken
            transaction.set_rollback(True)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("elsewhere", "another gallery"),
        ("later", "an earlier time"),
        ("member.set", "about no person"),
        ("gallery.changed", "about no person"),
        ("identity.erased", "does not say so"),
        ("standing", "still there"),
    ],
)
def test_verify_shows_a_made_up_erasure(gallery, kept, ann, kind, says):
    """Somebody who can switch off the triggers writes everything that belongs to an erasure."""
    first = erase(services.create_identity(actor=ACTOR, gallery=gallery, name="Cid Fox"))
    chosen = {
        "elsewhere": AuditEvent.objects.exclude(gallery_id=gallery.pk).filter(action="identity.created"),
        "standing": AuditEvent.objects.filter(object_id=str(ann.pk)),
        "identity.erased": AuditEvent.objects.filter(pk=first.event_id),
    }.get(kind, AuditEvent.objects.filter(action=kind))
    if kind == "later":
        chosen = []
    event = pretend(ann, [], **chain.redaction_details([row.pk for row in chosen]))
    if kind == "later":
        real = audit.record(actor=ACTOR, action="test.done", gallery=gallery, target=ann)
        tamper("UPDATE accounts_auditevent SET details = %s WHERE id = %s", json.dumps(
            event.details | chain.redaction_details([real.pk])), event.pk)  # fmt: skip
        chosen = [real]
    if kind != "standing":
        Identity.objects.filter(pk=ann.pk).delete()
    chain.seal(everything=True)
    assert chain.verify().broken == ""
    blank(list(chosen), event)
    assert says in chain.verify().broken


def test_a_person_is_erased_whose_name_is_a_word_of_the_settings(gallery):
    """Settings and members keep their events, though they contain the name as a word."""
    set_membership(actor=ACTOR, gallery=gallery, user=member(GalleryFactory(), Role.VIEWER).user, role=Role.CURATOR)
    services.update_gallery(actor=ACTOR, gallery=gallery, name="Curator")
    before = texts()
    erase(services.create_identity(actor=ACTOR, gallery=gallery, name="curator"))
    assert texts()[: len(before)] == before
    chain.seal()
    assert chain.verify().broken == ""


@pytest.mark.parametrize(
    "name", ["Ann\u00a0Lee", "★★", "Ἀθηνᾶ ΟΔΟΣ", "नेहा शर्मा", '100% A\'n\\n "Lee"', "İpek", "e\u0301 x"]
)
def test_names_of_any_script_are_erased(gallery, name):
    person = services.create_identity(actor=ACTOR, gallery=gallery, name=name)
    into = services.create_identity(actor=ACTOR, gallery=gallery, name="Ben Bo")
    merge = curation.merge_identities(actor=ACTOR, into=into, others=[person])
    undo(actor=ACTOR, event=merge.event)
    erase(person)
    assert not AuditEvent.objects.filter(object_name=name).exists()
    assert AuditEvent.objects.get(pk=merge.event.pk).details == {}
    chain.seal()
    assert chain.verify().broken == ""
