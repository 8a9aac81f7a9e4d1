"""The audit's hash chain: a tampered event shows, and yet a person's name can be erased from it.

Events are sealed a few seconds after they are written, by a job and not in the transaction of the act, so that no act
waits for another. A seal holds

    commitment = SHA-256(salt + TEXT)                       TEXT: the object's name and the details
    digest     = SHA-256(digest before + commitment + ROW)  ROW: all other columns

An erasure empties the name and the details of the events that name the person and destroys their salts. Their commitments
stay, so the chain still holds. Which events it emptied is bound by a hash in the erasure's own event, which is sealed too.

Whoever can switch the database's triggers off could seal everything anew; so the head of the chain is to be noted
somewhere else now and then, and `audit verify --expect` looks whether it is still there.
"""

import hashlib
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction
from django.db.models import OuterRef, Subquery

from accounts.models import AuditEvent, AuditSeal

ERASED = "identity.erased"
GENESIS = bytes(32)
BATCH = 5_000
LATE = 600  # seconds; events of transactions that lasted longer are found by the daily look at all
LOCK = 0x66616365  # of pg_advisory_xact_lock

ROW = """jsonb_build_array(
    event.id, to_char(event.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), event.action, event.user_id, event.user_name,
    event.api_key_prefix, event.via, host(event.ip), event.request_id, event.change_id, event.gallery_id, event.gallery_slug,
    event.object_type, event.object_id
)::text"""
TEXT = "jsonb_build_array(event.object_name, event.details)::text"
EMPTY = '["", {}]'
# In the order of the ids and with a look at each seal, so that every batch costs only its own rows.
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
# The texts in the details, without the names of the fields. A null pattern matches nothing.
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
    """What `verify` found. broken: the first thing that is wrong, in words; empty where all is right.

    head: the digest of the last seal. redacted: how many events each erasure emptied.
    """

    sealed: int = 0
    head: bytes = GENESIS
    redacted: dict[UUID, int] = field(default_factory=dict)
    broken: str = ""


# --- Sealing ----------------------------------------------------------------------------------------------------------
def seal(*, everything: bool = False) -> int:
    """Seals the events that wait; those of the last minutes, or with `everything` all. Returns how many.

    Two at once are safe: the second waits for the first.
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
    before, digest = (last.number, bytes(last.digest)) if last else (0, GENESIS)
    with connection.cursor() as cursor, cursor.copy(COPY) as copy:
        for number, (event_id, row, text) in enumerate(events, start=before + 1):
            salt = secrets.token_bytes(16)
            commitment = _commitment(salt, text)
            digest = _digest(digest, commitment, row)
            copy.write_row((number, event_id, salt, commitment, digest))
    return [event_id for event_id, _, _ in events]


def _commitment(salt: bytes, text: str) -> bytes:
    return hashlib.sha256(salt + text.encode()).digest()


def _digest(before: bytes, commitment: bytes, row: str) -> bytes:
    return hashlib.sha256(before + commitment + row.encode()).digest()


# --- Erasing ----------------------------------------------------------------------------------------------------------
def events_about(
    *, gallery_id: UUID, ids: Sequence[UUID], mentioned: Sequence[UUID], pattern: str | None, whole: str = ""
) -> list[UUID]:
    """Events of a gallery that were done to one of `ids`, whose details hold one of `mentioned`, or a text that matches
    `pattern` (a regular expression of PostgreSQL); those that undid such an event; and where one was done to an object of the
    type `whole`, all that was done to it. Erasures, and what they emptied, are left out."""
    values = {
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


def redaction_details(events: Sequence[UUID]) -> dict:
    """What the erasure's own event says of the events that it empties."""
    return {"audit_events": len(events), "audit_events_sha256": _hash_of(events)}


def redact(*, erasure: AuditEvent, events: Sequence[UUID]) -> None:
    """Empties the name and the details of `events`, whose `redaction_details` are in `erasure`. Part of its transaction."""
    rows = AuditEvent.objects.filter(pk__in=events, redacted_by=None)
    rows.update(object_name="", details={}, redacted_by=erasure.pk)
    AuditSeal.objects.filter(event_id__in=events).update(salt=None)


def _hash_of(events: Sequence[UUID]) -> str:
    return hashlib.sha256(b"".join(event.bytes for event in sorted(events))).hexdigest()


# --- Checking ---------------------------------------------------------------------------------------------------------
def verify(*, expect: tuple[int, bytes] | None = None) -> Verification:
    """Computes the whole chain again from the events as they are now, in little memory; stops at the first thing wrong.

    expect: number and digest of a seal as somebody noted it elsewhere.
    """
    found = Verification()
    with transaction.atomic():
        found.broken = _check_chain(found, expect) or _check_redactions(found)
    if expect and not found.broken and expect[0] > found.sealed:
        found.broken = f"Seal {expect[0]} is missing: the chain has been cut off after seal {found.sealed}."
    return found


def _check_chain(found: Verification, expect: tuple[int, bytes] | None) -> str:
    for number, event, salt, commitment, digest, exists, redacted_by, row, text in _stream(SEALED):
        if number != found.sealed + 1:
            return f"Seal {found.sealed + 1} is missing."
        if exists is None:
            return f"Event {event} (seal {number}) has been deleted."
        if salt is None and (redacted_by is None or text != EMPTY):
            return f"Event {event} (seal {number}) was redacted, but not by an erasure."
        if salt is not None and _commitment(bytes(salt), text) != bytes(commitment):
            return f"Event {event} (seal {number}): its name or details have been changed."
        if _digest(found.head, bytes(commitment), row) != bytes(digest):
            return f"Event {event} (seal {number}) or its seal has been changed."
        if expect and number == expect[0] and bytes(digest) != expect[1]:
            return f"Seal {number} is not the one that was noted: the chain has been made anew."
        found.sealed, found.head = number, bytes(digest)
    return ""


def _check_redactions(found: Verification) -> str:
    with connection.cursor() as cursor:
        cursor.execute(REDACTED)
        groups = cursor.fetchall()
    erasures = AuditEvent.objects.filter(action=ERASED).in_bulk([erasure for erasure, _ in groups])
    for erasure, events in groups:
        said = erasures[erasure].details if erasure in erasures else {}
        if said.get("audit_events_sha256") != _hash_of(events):
            return f"Event {events[0]} or another was redacted under the erasure {erasure}, which does not say so."
        found.redacted[erasure] = len(events)
    return ""


def _stream(sql: str) -> Iterator[tuple]:
    """Rows a few at a time; needs a transaction."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(sql)
        while rows := cursor.fetchmany(2000):
            yield from rows


# --- Export -----------------------------------------------------------------------------------------------------------
def events_with_seals(*, since: datetime | None = None) -> Iterator[dict]:
    """Every event since then, oldest first, with the number and digest (hex) of its seal; null where it has none yet."""
    mine = AuditSeal.objects.filter(event_id=OuterRef("pk"))
    events = AuditEvent.objects.order_by("id").filter(**({"at__gte": since} if since else {}))
    rows = events.annotate(seal=Subquery(mine.values("number")), digest=Subquery(mine.values("digest"))).values()
    for row in rows.iterator(chunk_size=2000):
        yield row | {"digest": bytes(row["digest"]).hex() if row["digest"] else None}
