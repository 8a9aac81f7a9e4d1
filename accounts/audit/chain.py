"""The audit's hash chain: tampering with an event is detected, and yet a person's name can be erased.

A job seals events within about a minute after they are written. It does not do so in the transaction of the act, so that no
act waits for another. A seal holds

    commitment = SHA-256(salt + TEXT)                       TEXT: the object's name and the details
    digest     = SHA-256(previous digest + commitment + ROW)  ROW: all other columns

An erasure empties the name and details of the events that name the person, and destroys their salts. Their commitments stay,
so the chain remains valid. The erasure's own event, which is sealed too, holds a hash of the ids of the emptied events.

Whoever can switch off the database's triggers could also seal everything again. So write down the head of the chain somewhere
else from time to time: `audit verify --expect` checks that it is still in the chain.
"""

import hashlib
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import OuterRef, Subquery

from accounts.models import AuditEvent, AuditSeal

ERASED = "identity.erased"
GENESIS = bytes(32)
BATCH = 5_000
LATE = 600  # seconds; events of transactions that took longer are sealed by the daily job, which checks all events
LOCK = 0x66616365  # for pg_advisory_xact_lock

ROW = """jsonb_build_array(
    event.id, to_char(event.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), event.action, event.user_id, event.user_name,
    event.api_key_prefix, event.via, host(event.ip), event.request_id, event.change_id, event.gallery_id, event.gallery_slug,
    event.object_type, event.object_id
)::text"""
TEXT = "jsonb_build_array(event.object_name, event.details)::text"
EMPTY = '["", {}]'
# Ordered by id and with one index lookup per event, so that a batch costs only its own rows.
UNSEALED = f"""
    SELECT event.id, {ROW}, {TEXT} FROM accounts_auditevent event
    WHERE event.id > %(since)s
        AND (SELECT seal.number FROM accounts_auditseal seal WHERE seal.event_id = event.id) IS NULL
    ORDER BY event.id LIMIT %(limit)s
"""
COPY = "COPY accounts_auditseal (number, event_id, salt, commitment, digest) FROM STDIN"
SEALED = f"""
    SELECT seal.number, seal.event_id, seal.salt, seal.commitment, seal.digest, event.id, event.redacted_by, {ROW}, {TEXT}
    FROM accounts_auditseal seal LEFT JOIN accounts_auditevent event ON event.id = seal.event_id
    ORDER BY seal.number
"""
REDACTED = """
    SELECT redacted_by, array_agg(id ORDER BY id) FROM accounts_auditevent
    WHERE redacted_by IS NOT NULL GROUP BY redacted_by
"""
# All texts in the details, but not the names of the fields. A pattern that is null matches nothing.
TEXTS = """jsonb_path_query_array(details, 'lax $.** ? (@.type() == "string")')::text"""
ABOUT = f"""
    WITH about AS (
        SELECT id, object_type, object_id FROM accounts_auditevent
        WHERE gallery_id = %(gallery)s AND redacted_by IS NULL AND action <> %(erased)s AND (
            object_id = ANY(%(ids)s) OR details::text ~ %(mentioned)s::text
            OR object_name ~* %(pattern)s::text OR {TEXTS} ~* %(pattern)s::text
        )
    )
    SELECT id FROM about
    UNION
    SELECT id FROM accounts_auditevent
    WHERE gallery_id = %(gallery)s AND redacted_by IS NULL AND (
        object_type = 'auditevent' AND object_id IN (SELECT id::text FROM about)
        OR object_type = %(whole)s AND object_id IN (SELECT object_id FROM about WHERE object_type = %(whole)s)
    )
    ORDER BY id
"""


@dataclass(slots=True)
class Verification:
    """What `verify` found.

    sealed: how many events are as they were written. head: the digest of the last valid seal. redacted: how many events each
    erasure emptied. broken: a sentence about the first fault; empty if there is none.
    """

    sealed: int = 0
    head: bytes = GENESIS
    redacted: dict[UUID, int] = field(default_factory=dict)
    broken: str = ""


# --- Sealing ----------------------------------------------------------------------------------------------------------
def seal(*, everything: bool = False) -> int:
    """Seals the unsealed events of the last minutes, or of all time with `everything`. Returns how many.

    Two processes may do this at once: the second waits for the first.
    """
    since = UUID(int=0 if everything else int((time.time() - LATE) * 1000) << 80)
    sealed = 0
    while events := _seal_batch(since):
        sealed += len(events)
        since = events[-1]
    return sealed


@transaction.atomic
def _seal_batch(since: UUID) -> list[UUID]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        cursor.execute(UNSEALED, {"since": since, "limit": BATCH})
        events = cursor.fetchall()
    last = AuditSeal.objects.last() if events else None
    last_number, digest = (last.number, bytes(last.digest)) if last else (0, GENESIS)
    with connection.cursor() as cursor, cursor.copy(COPY) as copy:
        for number, (event_id, row, text) in enumerate(events, start=last_number + 1):
            salt = secrets.token_bytes(16)
            commitment = _commitment(salt, text)
            digest = _digest(digest, commitment, row)
            copy.write_row((number, event_id, salt, commitment, digest))
    return [event_id for event_id, _, _ in events]


def _commitment(salt: bytes, text: str) -> bytes:
    return hashlib.sha256(salt + text.encode()).digest()


def _digest(previous: bytes, commitment: bytes, row: str) -> bytes:
    return hashlib.sha256(previous + commitment + row.encode()).digest()


# --- Erasing ----------------------------------------------------------------------------------------------------------
def events_about(
    *, gallery_id: UUID, ids: Sequence[UUID], mentioned: Sequence[UUID | str], pattern: str | None, whole: str = ""
) -> list[UUID]:
    """The ids of a gallery's events about somebody, in order. Erasures and the events they emptied are left out.

    These are the events on an object with one of `ids`; those whose details contain one of `mentioned`; those whose name or
    details match `pattern`, a regular expression of PostgreSQL; and those that undid such an event. If such an event is on an
    object of the type `whole`, all other events on that object are included.
    """
    values: dict[str, Any] = {
        "gallery": gallery_id,
        "ids": [str(pk) for pk in ids],
        "mentioned": "|".join(str(pk) for pk in mentioned) or None,
        "pattern": pattern,
        "whole": whole,
        "erased": ERASED,
    }
    with connection.cursor() as cursor:
        cursor.execute(ABOUT, values)
        return [row[0] for row in cursor.fetchall()]


def redaction_details(events: Sequence[UUID]) -> dict[str, Any]:
    """What the details of the erasure's own event must say about the events that it empties."""
    return {"audit_events": len(events), "audit_events_sha256": _hash_of(events)}


def redact(*, erasure: AuditEvent, events: Sequence[UUID]) -> None:
    """Empties the name and details of `events`. `erasure`: the event with their `redaction_details`, in the same transaction."""
    rows = AuditEvent.objects.filter(pk__in=events, redacted_by=None)
    rows.update(object_name="", details={}, redacted_by=erasure.pk)
    AuditSeal.objects.filter(event_id__in=events).update(salt=None)


def _hash_of(events: Sequence[UUID]) -> str:
    return hashlib.sha256(b"".join(event.bytes for event in sorted(events))).hexdigest()


# --- Checking ---------------------------------------------------------------------------------------------------------
def verify(*, expect: tuple[int, bytes] | None = None) -> Verification:
    """Computes the whole chain again from the events as they are now, in little memory. Stops at the first fault.

    expect: number and digest of a seal that was written down earlier.
    """
    result = Verification()
    with transaction.atomic():
        result.broken = _check_chain(result, expect) or _check_redactions(result)
    if expect and not result.broken and expect[0] > result.sealed:
        result.broken = f"Seal {expect[0]} is missing: the chain has been cut off after seal {result.sealed}."
    return result


def _check_chain(result: Verification, expect: tuple[int, bytes] | None) -> str:
    for number, event, salt, commitment, digest, exists, redacted_by, row, text in _stream(SEALED):
        if number != result.sealed + 1:
            return f"Seal {result.sealed + 1} is missing."
        if exists is None:
            return f"Event {event} (seal {number}) has been deleted."
        if salt is None and (redacted_by is None or text != EMPTY):
            return f"Event {event} (seal {number}) was redacted, but not by an erasure."
        if salt is not None and _commitment(bytes(salt), text) != bytes(commitment):
            return f"Event {event} (seal {number}): its name or details have been changed."
        if _digest(result.head, bytes(commitment), row) != bytes(digest):
            return f"Event {event} (seal {number}) or its seal has been changed."
        if expect and number == expect[0] and bytes(digest) != expect[1]:
            return f"Seal {number} differs from the one you noted: the chain has been rebuilt."
        result.sealed, result.head = number, bytes(digest)
    return ""


def _check_redactions(result: Verification) -> str:
    with connection.cursor() as cursor:
        cursor.execute(REDACTED)
        groups = cursor.fetchall()
    erasures = AuditEvent.objects.filter(action=ERASED).in_bulk([erasure for erasure, _ in groups])
    for erasure, events in groups:
        details = erasures[erasure].details if erasure in erasures else {}
        if details.get("audit_events_sha256") != _hash_of(events):
            return f"Event {events[0]} or another was redacted under the erasure {erasure}, which does not say so."
        result.redacted[erasure] = len(events)
    return ""


def _stream(sql: str) -> Iterator[tuple[Any, ...]]:
    """Reads the rows in chunks. Needs a transaction."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(sql)
        while rows := cursor.fetchmany(2000):
            yield from rows


# --- Export -----------------------------------------------------------------------------------------------------------
def events_with_seals(*, since: datetime | None = None) -> Iterator[dict[str, Any]]:
    """Every event since `since`, oldest first, with `seal` (number) and `digest` (hex); both None if it has no seal yet."""
    seals = AuditSeal.objects.filter(event_id=OuterRef("pk"))
    events = AuditEvent.objects.order_by("id").filter(**({"at__gte": since} if since else {}))
    rows = events.annotate(seal=Subquery(seals.values("number")), digest=Subquery(seals.values("digest"))).values()
    for row in rows.iterator(chunk_size=2000):
        yield {**row, "digest": bytes(row["digest"]).hex() if row["digest"] else None}
