"""The audit's hash chain: tampering with an event is detected, and yet a person's name can be erased.

A job seals events within about a minute after they are written. It does not do so in the transaction of the act, so that no
act waits for another. A seal holds

    commitment = SHA-256(salt + TEXT)                       TEXT: the object's name and the details
    digest     = SHA-256(previous digest + commitment + ROW + TIME)  ROW: all other columns; TIME: when it was sealed

An erasure empties the name and details of the events that name the person, and destroys their salts. Their commitments stay,
so the chain remains valid. The erasure's own event, which is sealed too, holds a hash of the ids of the emptied events.
A trigger lets an erasure empty only what is about its own people, while the texts still say so
(recognition/migrations/0016_audit_redactions.py). `verify` checks what can be checked without them: that there is such an
erasure, that the people are gone, and that the events are of its gallery, of an earlier time and of a kind that is about people.

The database dates the events, whatever the application says. Events are sealed in the order of their ids, which begin with the
time, so an event that is much older than those sealed before it was written into the past.

Whoever can switch off the database's triggers could also seal everything again. So write down the head of the chain somewhere
else from time to time: `audit verify --expect` checks that it is still in the chain.
"""

import hashlib
import json
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import OuterRef, Subquery

from accounts.models import AuditEvent, AuditSeal

ERASED = "identity.erased"
GENESIS = bytes(32)
BATCH = 5_000
LATE = 600  # seconds; events of transactions that took longer are sealed within the hour, see `tasks.py`
LONGEST = 3600  # seconds; a transaction that takes longer seems to write into the past
OUT_OF_ORDER = timedelta(seconds=2 * LONGEST)  # those of the longest transactions are sealed an hour later
CLOCKS = timedelta(hours=1)  # how far an event's id and time may be apart: the application's clock makes the id
CLOCK = " It looks the same if the database's clock was set back by more than an hour: did anybody do so then?"
LOCK = 0x66616365  # for pg_advisory_xact_lock

ROW = """jsonb_build_array(
    event.id, to_char(event.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), event.action, event.user_id, event.user_name,
    event.api_key_prefix, event.via, host(event.ip), event.request_id, event.change_id, event.gallery_id, event.gallery_slug,
    event.object_type, event.object_id
)::text"""
TEXT = "jsonb_build_array(event.object_name, event.details)::text"
EMPTY = '["", {}]'
TIME = "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US')"
NOW = f"SELECT sealed_at, {TIME.format('sealed_at')} FROM clock_timestamp() sealed_at"
# What an erasure may empty: see recognition/migrations/0016_audit_redactions.py. Only there a person's name may stand.
PERSONAL = ("identity", "facesample", "recognitionrequest", "import", "auditevent")
# Ordered by id and with one index lookup per event, so that a batch costs only its own rows.
UNSEALED = f"""
    SELECT event.id, {ROW}, {TEXT} FROM accounts_auditevent event
    WHERE event.id > %(since)s
        AND (SELECT seal.number FROM accounts_auditseal seal WHERE seal.event_id = event.id) IS NULL
    ORDER BY event.id LIMIT %(limit)s
"""
COPY = "COPY accounts_auditseal (number, event_id, salt, commitment, digest, sealed_at) FROM STDIN"
SEALED = f"""
    SELECT seal.number, seal.event_id, seal.salt, seal.commitment, seal.digest, seal.sealed_at,
        coalesce({TIME.format("seal.sealed_at")}, ''), event.id, event.at, event.redacted_by, {ROW}, {TEXT}
    FROM accounts_auditseal seal LEFT JOIN accounts_auditevent event ON event.id = seal.event_id
    ORDER BY seal.number
"""
# For each erasure the events it emptied, and one that it must not have.
REDACTED = """
    SELECT erasing.id, erasing.details, seal.sealed_at IS NOT NULL, report.report_id IS NOT NULL, report.remains,
        array_agg(event.id ORDER BY event.id),
        min(event.id::text) FILTER (
            WHERE event.gallery_id IS DISTINCT FROM report.gallery_id OR event.at > erasing.at
        ),
        min(event.id::text) FILTER (
            WHERE event.object_type <> ALL(%(personal)s) AND NOT (event.object_type = 'gallery' AND event.action ~ '^vector[.]')
                OR event.action = %(erased)s
        ),
        event.redacted_by
    FROM accounts_auditevent event
    LEFT JOIN accounts_auditevent erasing ON erasing.id = event.redacted_by AND erasing.action = %(erased)s
    LEFT JOIN accounts_auditseal seal ON seal.event_id = erasing.id
    LEFT JOIN accounts_audit_erasures() report ON report.event_id = erasing.id
        AND report.report_id::text = erasing.object_id AND report.gallery_id = erasing.gallery_id
        AND to_jsonb(report.identities) = erasing.details -> 'identities'
    WHERE event.redacted_by IS NOT NULL
    GROUP BY event.redacted_by, erasing.id, seal.sealed_at, report.report_id, report.remains
"""
# All texts in the details, but not the names of the fields. A pattern that is null matches nothing.
TEXTS = """(
    SELECT string_agg(value #>> '{}', E'\\n') FROM jsonb_path_query(details, 'lax $.** ? (@.type() == "string")') value
)"""
ABOUT = f"""
    WITH about AS (
        SELECT id, object_type, object_id FROM accounts_auditevent
        WHERE gallery_id = %(gallery)s AND redacted_by IS NULL AND action <> %(erased)s AND (
            (object_type = ANY(%(personal)s) OR action ~ '^vector[.]') AND details::text ~ %(mentioned)s::text
            OR object_type = ANY(%(personal)s) AND (
                object_id = ANY(%(ids)s) OR object_name ~* %(pattern)s::text OR {TEXTS} ~* %(pattern)s::text
            )
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
def seal(*, everything: bool = False, late: int = LATE) -> int:
    """Seals the unsealed events since the last sealing, or of all time with `everything`. Returns how many.

    late: how many seconds before it they may have been written. Two processes may do this at once: the second waits for the
    first.
    """
    since = UUID(int=0) if everything else _start(late)
    sealed = 0
    while events := _seal_batch(since):
        sealed += len(events)
        since = events[-1]
    return sealed


def _start(late: int) -> UUID:
    """The smallest id of so many seconds before now, or before the last sealed event if that is older: none is skipped."""
    last = AuditSeal.objects.last()
    now = time.time() * 1000
    newest = min(now, last.event_id.int >> 80) if last else 0
    return UUID(int=max(0, int(newest) - late * 1000) << 80)


@transaction.atomic
def _seal_batch(since: UUID) -> list[UUID]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        cursor.execute(UNSEALED, {"since": since, "limit": BATCH})
        events = cursor.fetchall()
        cursor.execute(NOW)
        sealed_at, time_text = cursor.fetchone()
    last = AuditSeal.objects.last() if events else None
    last_number, digest = (last.number, bytes(last.digest)) if last else (0, GENESIS)
    with connection.cursor() as cursor, cursor.copy(COPY) as copy:
        for number, (event_id, row, text) in enumerate(events, start=last_number + 1):
            salt = secrets.token_bytes(16)
            commitment = _commitment(salt, text)
            digest = _digest(digest, commitment, row + time_text)
            copy.write_row((number, event_id, salt, commitment, digest, sealed_at))
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
        "personal": list(PERSONAL),
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
    times = _Times()
    for number, event, salt, commitment, digest, sealed_at, sealed, exists, at, redacted_by, row, text in _stream(
        SEALED
    ):
        if number != result.sealed + 1:
            return f"Seal {result.sealed + 1} is missing."
        if exists is None:
            return f"Event {event} (seal {number}) has been deleted."
        if salt is None and (redacted_by is None or text != EMPTY):
            return f"Event {event} (seal {number}) was redacted, but not by an erasure."
        if salt is not None and _commitment(bytes(salt), text) != bytes(commitment):
            return f"Event {event} (seal {number}): its name or details have been changed."
        if _digest(result.head, bytes(commitment), row + sealed) != bytes(digest):
            return f"Event {event} (seal {number}) or its seal has been changed."
        if expect and number == expect[0] and bytes(digest) != expect[1]:
            return f"Seal {number} differs from the one you noted: the chain has been rebuilt."
        if fault := times.check(event, at, sealed_at):
            return f"Event {event} (seal {number}) {fault}"
        result.sealed, result.head = number, bytes(digest)
    return ""


@dataclass(slots=True)
class _Times:
    """Checks the order of time along the chain. Seals of earlier versions have no time; their events are not judged."""

    newest: datetime | None = None  # of the events so far
    begun: bool = False  # whether a seal had a time

    def check(self, event: UUID, at: datetime, sealed_at: datetime | None) -> str:
        """What is wrong with the next event; empty if nothing is."""
        newest, self.newest = self.newest, max(at, self.newest or at)
        if sealed_at is None:
            return "has a seal without its time." if self.begun else ""
        self.begun = True
        if newest and at < newest - OUT_OF_ORDER:
            before = f"those before it of {newest:%Y-%m-%d %H:%M}"
            return f"was written into the past: it is of {at:%Y-%m-%d %H:%M}, and {before}.{CLOCK}"
        if at > sealed_at + CLOCKS:
            return f"is of {at:%Y-%m-%d %H:%M}, which is later than its seal.{CLOCK}"
        if abs(datetime.fromtimestamp((event.int >> 80) / 1000, UTC) - at) > 2 * CLOCKS:
            return "has an id of another time."
        return ""


def _check_redactions(result: Verification) -> str:
    with connection.cursor() as cursor:
        cursor.execute(REDACTED, {"erased": ERASED, "personal": list(PERSONAL)})
        groups = cursor.fetchall()
    for erasure, details, timed, reported, remains, events, elsewhere, impersonal, redacted_by in groups:
        if erasure is None:
            return f"Event {events[0]} was redacted under {redacted_by}, which is no erasure."
        if json.loads(details).get("audit_events_sha256") != _hash_of(events):
            return f"Event {events[0]} or another was redacted under the erasure {erasure}, which does not say so."
        if not reported:
            return (
                f"Event {events[0]} was redacted under {erasure}, but there is no report of that erasure that fits it."
            )
        if remains:
            return f"Event {events[0]} was redacted under the erasure {erasure}, but the person is still there."
        if elsewhere:
            return f"Event {elsewhere} was redacted under the erasure {erasure} of another gallery or an earlier time."
        if impersonal and timed:  # earlier versions emptied whatever had the name in it
            return f"Event {impersonal} was redacted under the erasure {erasure}, but is about no person."
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
