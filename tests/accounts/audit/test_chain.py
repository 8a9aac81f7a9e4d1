"""The audit's hash chain: sealing, detecting tampering, what an erasure may remove, and the command."""

import io
import json
from datetime import datetime, timedelta
from uuid import UUID

import pytest
import uuid6
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.migrations.exceptions import IrreversibleError
from django.db.migrations.recorder import MigrationRecorder
from django.db.utils import DatabaseError
from django.utils import timezone
from factories import GalleryFactory
from table_owner import as_owner

from accounts import audit
from accounts.actor import system_actor
from accounts.audit import chain
from accounts.models import AuditEvent, AuditSeal
from gallery.models import Gallery, Identity
from recognition.privacy.models import Erasure

pytestmark = pytest.mark.django_db
ACTOR = system_actor()


@pytest.fixture
def events() -> list[AuditEvent]:
    """Five sealed events, each about somebody who is gone."""
    gallery = GalleryFactory()
    rows = [about(gallery, f"Ann {n}", {"name": f"Ann {n}", "ü": [n]}) for n in range(5)]
    assert chain.seal() == 5
    return rows


def about(gallery: Gallery, name: str, details: dict) -> AuditEvent:
    person = Identity(gallery=gallery, name=name)
    return audit.record(actor=ACTOR, action="test.done", gallery=gallery, target=person, details=details)


def tamper(statement: str, *values) -> None:
    """Runs `statement` as somebody would who can switch off the triggers."""
    with as_owner(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for switch in ("DISABLE", "ENABLE"):
            for table in ("accounts_auditevent", "accounts_auditseal"):
                cursor.execute(f"ALTER TABLE {table} {switch} TRIGGER USER")
            if switch == "DISABLE":
                cursor.execute(statement, values)


def erase(events: list[AuditEvent]) -> AuditEvent:
    """Empties the events, as an erasure of the people whom they are about does."""
    ids, people = [event.pk for event in events], [event.object_id for event in events]
    gallery = Gallery.objects.get(pk=events[0].gallery_id)
    report = Erasure.objects.create(gallery=gallery, gallery_slug=gallery.slug, identities=people, erased_by="x")
    details = {"identities": people} | chain.redaction_details(ids)
    erasure = audit.record(actor=ACTOR, action=chain.ERASED, gallery=gallery, target=report, details=details)
    chain.redact(erasure=erasure, events=ids)
    Erasure.objects.filter(pk=report.pk).update(event_id=erasure.pk)
    return erasure


def run(*arguments) -> str:
    out = io.StringIO()
    call_command("audit", *map(str, arguments), stdout=out)
    return out.getvalue()


def test_sealing_again_adds_what_is_new(events):
    assert chain.seal() == 0
    audit.record(actor=ACTOR, action="test.done")
    assert chain.seal() == 1
    assert list(AuditSeal.objects.values_list("number", flat=True)) == [1, 2, 3, 4, 5, 6]
    result = chain.verify()
    assert (result.sealed, result.broken) == (6, "")
    assert chain.verify(expect=(6, result.head)).broken == ""


def hours_ago(hours: float) -> tuple[UUID, datetime]:
    """An id and the time it was made at."""
    at = timezone.now() - timedelta(hours=hours)
    return UUID(int=uuid6.uuid7().int % (1 << 80) | int(at.timestamp() * 1000) << 80), at


def test_an_event_of_a_long_transaction_is_sealed_late(events):
    AuditEvent.objects.create(pk=hours_ago(0.5)[0], action="test.late", via="system")
    assert chain.seal() == 0
    assert chain.seal(late=2 * chain.LONGEST) == 1
    assert chain.verify().broken == ""


def test_the_database_dates_the_events(events):
    old = timezone.now() - timedelta(minutes=50)
    event = AuditEvent(action="test.done", via="system", at=old)
    event.save()
    event.refresh_from_db()
    assert event.at - old > timedelta(minutes=49)
    for hours in (1.1, 24 * 400, -1.1):
        with pytest.raises(DatabaseError, match="no event of another time"), transaction.atomic():
            AuditEvent.objects.create(pk=hours_ago(hours)[0], action="test.done", via="system")
    with pytest.raises(DatabaseError, match="redacted already"), transaction.atomic():
        AuditEvent.objects.create(action="test.done", via="system", redacted_by=events[0].pk)
    assert AuditEvent.objects.count() == 6


INSERT = (
    "INSERT INTO accounts_auditevent SELECT (jsonb_populate_record(event, %s)).* FROM accounts_auditevent event LIMIT 1"
)


@pytest.mark.parametrize(
    ("id_hours", "at_hours", "says"),
    [
        (3, 3, "was written into the past"),
        (24 * 400, 24 * 400, "was written into the past"),
        (0, 3, "was written into the past"),
        (24, 0, "id of another time"),
        (0, -2, "later than its seal"),
    ],
)
def test_an_event_that_was_slipped_in_elsewhere_in_time_is_reported(events, id_hours, at_hours, says):
    pk, at = hours_ago(id_hours)[0], hours_ago(at_hours)[1]
    tamper(INSERT, json.dumps({"id": str(pk), "at": at.isoformat()}))
    assert chain.seal(everything=True) == 1
    assert says in chain.verify().broken and str(pk) in chain.verify().broken


def test_events_that_waited_for_days_to_be_sealed_are_in_order():
    """As after an outage of the jobs: the first short sealing begins where the last one ended."""
    for hours in (80, 60, 40, 20):
        pk, at = hours_ago(hours)
        values = ["test.done", "system", pk, at]
        tamper(
            "INSERT INTO accounts_auditevent (action, via, id, at, user_name, api_key_prefix, request_id, gallery_slug,"
            " object_type, object_id, object_name, details) VALUES (%s, %s, %s, %s, '', '', '', '', '', '', '', '{}')",
            *values,
        )
        if hours == 80:
            assert chain.seal(everything=True) == 1
    audit.record(actor=ACTOR, action="test.done")
    assert chain.seal() == 4
    assert chain.verify().broken == ""


def test_a_chain_of_an_earlier_version_stays_valid_and_a_new_seal_needs_its_time(events):
    tamper("DELETE FROM accounts_auditseal")
    head = chain.GENESIS
    for number, event in enumerate(reversed(events), start=1):  # in any order
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {chain.ROW}, {chain.TEXT} FROM accounts_auditevent event WHERE id = %s", [event.pk])
            row, text = cursor.fetchone()
        commitment = chain._commitment(b"salt", text)
        head = chain._digest(head, commitment, row)
        values = [number, event.pk, b"salt", commitment, head]
        tamper("INSERT INTO accounts_auditseal VALUES (%s, %s, %s, %s, %s)", *values)
    assert (chain.verify().broken, chain.verify().head) == ("", head)
    audit.record(actor=ACTOR, action="test.done")
    chain.seal()
    assert (chain.verify().broken, chain.verify().sealed) == ("", 6)
    with pytest.raises(DatabaseError, match="seal of another time"), transaction.atomic():
        AuditSeal.objects.create(number=7, event_id=UUID(int=1), commitment=b"", digest=b"")
    tamper("UPDATE accounts_auditseal SET sealed_at = NULL WHERE number = 6")
    assert "seal has been changed" in chain.verify().broken


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE accounts_auditevent SET user_name = 'x' WHERE id = %s", "or its seal has been changed"),
        ("UPDATE accounts_auditevent SET object_name = 'x' WHERE id = %s", "name or details have been changed"),
        ("UPDATE accounts_auditevent SET details = '{}' WHERE id = %s", "name or details have been changed"),
        ("UPDATE accounts_auditevent SET at = at + interval '1 ms' WHERE id = %s", "has been changed"),
        ("DELETE FROM accounts_auditevent WHERE id = %s", "has been deleted"),
        ("UPDATE accounts_auditseal SET salt = NULL WHERE event_id = %s", "but not by an erasure"),
        ("UPDATE accounts_auditseal SET digest = commitment WHERE event_id = %s", "has been changed"),
        ("DELETE FROM accounts_auditseal WHERE event_id = %s", "Seal 3 is missing"),
    ],
)
def test_tampering_is_reported_at_the_first_bad_event(events, statement, says):
    tamper(statement, events[2].pk)
    result = chain.verify()
    assert says in result.broken
    assert result.sealed == 2
    assert "Seal 3" in result.broken or str(events[2].pk) in result.broken


def test_a_cut_or_rebuilt_chain_is_detected_by_a_noted_head(events):
    head = chain.verify().head
    tamper("DELETE FROM accounts_auditseal WHERE number > 3")
    assert chain.verify().broken == ""
    assert "cut off after seal 3" in chain.verify(expect=(5, head)).broken
    chain.seal()
    assert "has been rebuilt" in chain.verify(expect=(5, head)).broken


def test_an_erasure_removes_names_and_the_chain_stays_valid(events):
    erasure = erase(events[1:3])
    chain.seal()
    result = chain.verify()
    assert (result.broken, result.sealed, result.redacted) == ("", 6, {erasure.pk: 2})
    event = AuditEvent.objects.get(pk=events[1].pk)
    assert (event.object_name, event.details, event.redacted_by, event.action) == ("", {}, erasure.pk, "test.done")
    tamper("UPDATE accounts_auditevent SET action = 'x' WHERE id = %s", event.pk)
    assert str(event.pk) in chain.verify().broken


def test_an_event_erased_before_it_is_sealed(events):
    late = about(GalleryFactory(), "Ann", {"name": "Ann"})
    erase([late])
    chain.seal()
    assert chain.verify().broken == ""


def test_redacting_more_than_the_erasure_says_is_detected(events):
    erasure = erase(events[1:3])
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        chain.redact(erasure=erasure, events=[events[4].pk])
    tamper(BLANK, erasure.pk, events[4].pk)
    tamper("UPDATE accounts_auditseal SET salt = NULL WHERE event_id = %s", events[4].pk)
    assert "does not say so" in chain.verify().broken


BLANK = "UPDATE accounts_auditevent SET object_name = '', details = '{}', redacted_by = %s WHERE id = %s"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE accounts_auditevent SET action = 'x'",
        "UPDATE accounts_auditevent SET object_name = '', details = '{}', redacted_by = id",
        "UPDATE accounts_auditevent SET object_name = '', details = '{}', action = 'x', redacted_by = 'ERASURE'",
        "UPDATE accounts_auditevent SET details = '{\"a\": 1}', redacted_by = 'ERASURE'",
        "DELETE FROM accounts_auditevent",
        "TRUNCATE accounts_auditevent",
        "UPDATE accounts_auditseal SET salt = NULL",
        "UPDATE accounts_auditseal SET digest = ''",
        "DELETE FROM accounts_auditseal",
        "TRUNCATE accounts_auditseal",
    ],
)
def test_the_database_refuses(events, statement):
    erasure = erase(events[:1])
    chain.seal()
    with as_owner(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            cursor.execute(statement.replace("ERASURE", str(erasure.pk)))
    assert chain.verify().sealed == 6


def test_the_command_verifies_and_exports(events, tmp_path):
    said = run("verify")
    assert "5 events are as they were written." in said
    head = said.split()[-1]
    assert run("verify", "--expect", head)
    run("export", tmp_path / "audit.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert [(line["action"], line["seal"], line["details"]["ü"]) for line in lines] == [
        ("test.done", n + 1, [n]) for n in range(5)
    ]
    assert f"5:{lines[-1]['digest']}" == head
    assert len(run("export", "--since", "2999-01-31")) == 0
    for bad in (["verify", "--expect", "x"], ["export", "--since", "2026-13-01"]):
        with pytest.raises(CommandError):
            run(*bad)
    tamper("UPDATE accounts_auditevent SET action = 'x' WHERE id = %s", events[3].pk)
    with pytest.raises(CommandError, match=str(events[3].pk)):
        run("verify")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("app", "name"), [("accounts", "0004"), ("accounts", "0006"), ("accounts", "zero"), ("recognition", "0006")]
)
def test_migrations_that_would_begin_a_new_chain_are_not_taken_back(events, app, name):
    with transaction.atomic():
        erase(events[:1])
    head, applied = chain.verify().head, MigrationRecorder(connection).applied_migrations()
    try:
        with pytest.raises(IrreversibleError, match="cannot be taken back: the audit's chain"):
            call_command("migrate", app, name, verbosity=0)
    finally:  # what stands on it was taken back before
        call_command("migrate", verbosity=0)
    assert MigrationRecorder(connection).applied_migrations().keys() == applied.keys()
    assert (chain.verify().broken, chain.verify().head) == ("", head)
