"""The queue in the RecognitionRequest table: claim, heartbeat, release. All SQL on it is here.

Channels: QUEUED wakes workers; FINISHED, with the request's id, wakes those who wait for the answer.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import uuid6
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from faceplatform.database.compiled import Compiled, Given
from faceplatform.database.listen import Arrival, Hub
from faceplatform.database.planned import planned_cursor
from recognition.photos.models import Priority, RecognitionRequest, Worker
from recognition.photos.querysets import WORKER_ALIVE_FOR

QUEUED = "recognition_queued"
FINISHED = "recognition_finished"

PROSPECTS = """
SELECT EXISTS (SELECT FROM recognition_worker WHERE last_seen_at > statement_timestamp() - %(alive_for)s),
       EXISTS (SELECT FROM recognition_recognitionrequest WHERE status = 'queued' AND priority = %(priority)s
               OFFSET %(limit)s - 1)
"""

# A request that was deleted does not wait any more either.
ARRIVED = """
SELECT key FROM unnest(%s::text[]) key
WHERE NOT EXISTS (
    SELECT FROM recognition_recognitionrequest WHERE id = key::uuid AND status IN ('queued', 'running')
)
"""
hub = Hub((QUEUED, FINISHED), arrived={FINISHED: ARRIVED})

# A request that has been claimed before may have killed its worker. It is claimed alone, so that it takes no other
# request with it; the fresh ones are claimed together. Rows of one pack only, since a batch runs through one pipeline.
CLAIM = """
WITH first AS (
    SELECT id, attempts, pack FROM recognition_recognitionrequest
    WHERE status = 'queued' AND (%(only)s::uuid[] IS NULL OR id = ANY(%(only)s))
    ORDER BY priority, id
    FOR UPDATE SKIP LOCKED
    LIMIT 1
), more AS (
    SELECT request.id FROM recognition_recognitionrequest request, first
    WHERE request.status = 'queued' AND request.attempts = 0 AND first.attempts = 0
      AND request.pack = first.pack AND request.id <> first.id
      AND (%(only)s::uuid[] IS NULL OR request.id = ANY(%(only)s))
    ORDER BY request.priority, request.id
    FOR UPDATE OF request SKIP LOCKED
    LIMIT %(limit)s - 1
), batch AS (
    SELECT id FROM first UNION ALL SELECT id FROM more
)
UPDATE recognition_recognitionrequest AS request
SET status = 'running', attempts = attempts + 1, claim_token = %(token)s, claimed_by = %(worker)s,
    claimed_at = clock_timestamp(), lease_expires_at = clock_timestamp() + %(lease)s
FROM batch WHERE request.id = batch.id
RETURNING request.id
"""

CLAIMED = Compiled(
    lambda: (
        RecognitionRequest.objects.filter(pk=Given("ids", one_of=True))
        .select_related("gallery", "identity__gallery", "requested_by")
        .order_by("priority", "id")
    )
)

# Whose lease is over, or whose worker is known to be dead, goes back to the queue, or is given up when its attempts are
# spent.
RELEASE = """
WITH expired AS (
    SELECT id FROM recognition_recognitionrequest
    WHERE status = 'running' AND (lease_expires_at < clock_timestamp() OR claimed_by = %(dead)s)
    FOR UPDATE SKIP LOCKED
)
UPDATE recognition_recognitionrequest AS request
SET claim_token = NULL, lease_expires_at = NULL,
    status = CASE WHEN attempts < %(max_attempts)s THEN 'queued' ELSE 'failed' END,
    finished_at = CASE WHEN attempts < %(max_attempts)s THEN NULL ELSE clock_timestamp() END,
    error_code = CASE WHEN attempts < %(max_attempts)s THEN '' ELSE 'worker_lost' END,
    error_message = CASE WHEN attempts < %(max_attempts)s THEN '' ELSE %(message)s END,
    photo = CASE WHEN attempts < %(max_attempts)s OR keep_photo THEN photo END
FROM expired WHERE request.id = expired.id
RETURNING request.id, request.status
"""

HOLD = """
SELECT id FROM recognition_recognitionrequest WHERE id = ANY(%s) AND claim_token = %s ORDER BY id FOR UPDATE
"""
FINISH = """
UPDATE recognition_recognitionrequest AS request
SET status = result.status, finished_at = clock_timestamp(), claim_token = NULL, lease_expires_at = NULL,
    photo = CASE WHEN keep_photo THEN photo END, sample_id = result.sample_id,
    error_code = coalesce(result.error_code, ''), error_message = coalesce(result.error_message, ''),
    image_width = result.image_width, image_height = result.image_height,
    image_rotation = coalesce(result.image_rotation, 0), threshold_distance = result.threshold_distance,
    threshold_source = coalesce(result.threshold_source, ''), timings_ms = coalesce(result.timings_ms, '{}')
FROM jsonb_to_recordset(%(results)s) AS result (
    id uuid, status text, sample_id uuid, error_code text, error_message text, image_width int, image_height int,
    image_rotation int, threshold_distance float, threshold_source text, timings_ms jsonb
)
WHERE request.id = result.id
RETURNING pg_notify(%(channel)s, request.id::text)
"""

ABANDON = """
UPDATE recognition_recognitionrequest
SET status = 'failed', finished_at = clock_timestamp(), error_code = 'client_gone', error_message = %(message)s,
    photo = CASE WHEN keep_photo THEN photo END
WHERE id = ANY(%(ids)s) AND status = 'queued' AND purpose <> 'enrol'
"""
CLIENT_GONE = "The client hung up before anybody looked at the photo, so nobody did. Send it again."

WORKER_LOST = (
    "The recognition worker stopped while it worked on this photo, {attempts} times. "
    "The photo is given up; send another, and show this one to your operator."
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A batch that is ours until the lease is over. `token` proves it when results are written."""

    token: UUID
    requests: list[RecognitionRequest]


def notify(channel: str, key: UUID | str = "") -> None:
    """Wakes the waiters of `channel` when the transaction commits. PostgreSQL folds equal ones in a transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [channel, str(key)])


def prospects() -> tuple[bool, bool]:
    """Whether a worker lives, and whether so many photos wait that somebody waits for, that one more would wait in vain."""
    values = {"alive_for": WORKER_ALIVE_FOR, "priority": Priority.INTERACTIVE, "limit": settings.QUEUE_LIMIT}
    with planned_cursor() as cursor:
        cursor.execute(PROSPECTS, values)
        return cursor.fetchone()


def claim(*, limit: int, only: Sequence[UUID] | None = None, worker_id: UUID | None = None) -> Claim | None:
    """Takes up to `limit` waiting requests, interactive before bulk, oldest first; None where nothing waits.

    only: claim among these alone. worker_id: who claims; see `worker_died`.
    """
    token = uuid6.uuid7()
    lease = timedelta(seconds=settings.LEASE_SECONDS)
    values = {"limit": limit, "only": list(only) if only is not None else None, "token": token, "lease": lease}
    values["worker"] = worker_id
    with planned_cursor() as cursor:
        cursor.execute(CLAIM, values)
        ids = [row[0] for row in cursor.fetchall()]
    if not ids:
        return None
    return Claim(token, CLAIMED(ids=ids))


def extend_lease(*, token: UUID) -> None:
    """Moves the lease of a claim on; part of the worker's heartbeat."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE recognition_recognitionrequest SET lease_expires_at = clock_timestamp() + %s WHERE claim_token = %s",
            [timedelta(seconds=settings.LEASE_SECONDS), token],
        )


def release(*, request_id: UUID, token: UUID) -> None:
    """Ends the lease of one request at once: the next sweep queues it again, if it has attempts left."""
    RecognitionRequest.objects.filter(pk=request_id, claim_token=token).update(lease_expires_at=Now())


def release_for_pack(*, request_id: UUID, token: UUID, pack: str) -> None:
    """Queues a request again, for another pack. What was done of it does not count as an attempt."""
    rows = RecognitionRequest.objects.filter(pk=request_id, claim_token=token)
    rows.update(status="queued", pack=pack, attempts=F("attempts") - 1, claim_token=None, lease_expires_at=None)
    notify(QUEUED)


def release_expired() -> int:
    """Puts requests of dead workers back, or gives them up. Returns how many."""
    return _release_lost()


@transaction.atomic
def worker_died(*, worker_id: UUID) -> int:
    """For whoever saw a worker's process end: takes it off the living, and puts what it had claimed back at once.

    Returns how many requests. A part of a re-embedding is taken over as soon as its worker is not among the living.
    """
    unregister_worker(worker_id=worker_id)
    return _release_lost(dead=worker_id)


@transaction.atomic
def _release_lost(*, dead: UUID | None = None) -> int:
    message = WORKER_LOST.format(attempts=settings.MAX_ATTEMPTS)
    with connection.cursor() as cursor:
        cursor.execute(RELEASE, {"max_attempts": settings.MAX_ATTEMPTS, "message": message, "dead": dead})
        released = cursor.fetchall()
    for pk, status in released:
        notify(*((QUEUED,) if status == "queued" else (FINISHED, pk)))
    return len(released)


def hold(*, ids: Sequence[UUID], token: UUID) -> set[UUID]:
    """Locks requests for writing their results. Returns those that are still ours; the others' leases were lost, or they
    are gone.

    Call inside the transaction that writes the results.
    """
    with planned_cursor() as cursor:
        cursor.execute(HOLD, [list(ids), token])
        return {pk for (pk,) in cursor.fetchall()}


def finish(results: Sequence[dict[str, Any]]) -> None:
    """Ends requests that the caller holds, clears their photos unless they are to be kept, and wakes whoever waits.

    A result has "id" and "status"; where there are such, "sample_id", "error_code", "error_message", "image_width",
    "image_height", "image_rotation", "threshold_distance", "threshold_source", "timings_ms".
    """
    with planned_cursor() as cursor:
        cursor.execute(FINISH, {"results": json.dumps(results), "channel": FINISHED})


def abandon(ids: Sequence[UUID]) -> None:
    """Gives up what nobody waits for any more and no worker has begun. Enrolments go on: they are not done for the answer."""
    with connection.cursor() as cursor:
        cursor.execute(ABANDON, {"ids": list(ids), "message": CLIENT_GONE})


def arrival_of(ids: Sequence[UUID]) -> Arrival:
    """To wait with until none of `ids` waits or runs any more; close it in the end."""
    arrival = hub.arrival(FINISHED, map(str, ids))
    with connection.cursor() as cursor:
        cursor.execute(ARRIVED, [list(arrival.keys)])
        for (key,) in cursor.fetchall():
            arrival.note(key)
    return arrival


def register_worker(*, host: str, process_id: int, engine: dict | None = None, worker_id: UUID | None = None) -> Worker:
    """Among the living. worker_id: its own, where it was given one; its row may still be there from before."""
    now = {"host": host, "process_id": process_id, "engine": engine or {}, "last_seen_at": Now()}
    return Worker.objects.update_or_create(pk=worker_id or uuid6.uuid7(), defaults=now)[0]


def note_engine(*, worker_id: UUID, engine: dict) -> None:
    """Says what a worker's nets run on, after it has loaded another pack."""
    Worker.objects.filter(pk=worker_id).update(engine=engine)


def sign_of_life(*, worker_id: UUID) -> None:
    """Says that a worker lives, and forgets those dead for an hour."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE recognition_worker SET last_seen_at = clock_timestamp() WHERE id = %s", [worker_id])
        cursor.execute("DELETE FROM recognition_worker WHERE last_seen_at < clock_timestamp() - interval '1 hour'")


def unregister_worker(*, worker_id: UUID) -> None:
    Worker.objects.filter(pk=worker_id).delete()
