"""The audit's hash chain: sealing, detecting tampering, what an erasure may remove, and the command."""

import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.utils import DatabaseError

from accounts import audit
from accounts.actor import system_actor
from accounts.audit import chain
from accounts.models import AuditEvent, AuditSeal

pytestmark = pytest.mark.django_db
ACTOR = system_actor()


@pytest.fixture
def events() -> list[AuditEvent]:
    """Five sealed events."""
    rows = [audit.record(actor=ACTOR, action="test.done", details={"name": f"Ann {n}", "ü": [n]}) for n in range(5)]
    assert chain.seal() == 5
    return rows


def tamper(statement: str, *values) -> None:
    """Runs `statement` as somebody would who can switch off the triggers."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for switch in ("DISABLE", "ENABLE"):
            for table in ("accounts_auditevent", "accounts_auditseal"):
                cursor.execute(f"ALTER TABLE {table} {switch} TRIGGER USER")
            if switch == "DISABLE":
                cursor.execute(statement, values)


def erase(events: list[AuditEvent]) -> AuditEvent:
    ids = [event.pk for event in events]
    details = chain.redaction_details(ids)
    erasure = audit.record(actor=ACTOR, action=chain.ERASED, details=details)
    chain.redact(erasure=erasure, events=ids)
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


def test_an_event_of_a_long_transaction_is_sealed_by_the_daily_job(events):
    AuditEvent.objects.create(pk="01900000-0000-7000-8000-000000000000", action="test.late", via="system")
    assert chain.seal() == 0
    assert chain.seal(everything=True) == 1
    assert chain.verify().broken == ""


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
    late = audit.record(actor=ACTOR, action="test.done", details={"name": "Ann"})
    erase([late])
    chain.seal()
    assert chain.verify().broken == ""


def test_redacting_more_than_the_erasure_says_is_detected(events):
    erasure = erase(events[1:3])
    chain.redact(erasure=erasure, events=[events[4].pk])
    assert "does not say so" in chain.verify().broken


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
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table, trigger in (("event", "audit_no_truncate"), ("seal", "audit_seal_no_truncate")):
            cursor.execute(f"ALTER TABLE accounts_audit{table} ENABLE TRIGGER {trigger}")
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
