"""The queue, kept in the RecognitionRequest table: claim, heartbeat, release, finish. All SQL on the queue is here.

Two NOTIFY channels: QUEUED wakes the workers; FINISHED, with the request's id, wakes whoever waits for that answer.
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
from django.utils.translation import gettext_noop

from faceplatform.database.compiled import Compiled, Given
from faceplatform.database.listen import Arrival, Hub
from faceplatform.database.planned import planned_cursor
from recognition.photos.models import Priority, RecognitionRequest, Worker
from recognition.photos.querysets import WORKER_ALIVE_FOR
from recognition.tallies import counting

CLAIM_BYTES = 32 * 1024 * 1024  # of the photos that are claimed together; one may have more
QUEUED = "recognition_queued"
FINISHED = "recognition_finished"

CAPACITY = """
SELECT EXISTS (SELECT FROM recognition_worker WHERE last_seen_at > statement_timestamp() - %(alive_for)s
                                                    AND last_seen_at < statement_timestamp() + %(alive_for)s),
       EXISTS (SELECT FROM recognition_recognitionrequest
               WHERE status = 'queued' AND priority = %(priority)s AND pack = %(pack)s OFFSET %(limit)s - 1)
"""

# A deleted request counts as finished: nothing more will come of it.
ARRIVED = """
SELECT key FROM unnest(%s::text[]) key
WHERE NOT EXISTS (
    SELECT FROM recognition_recognitionrequest WHERE id = key::uuid AND status IN ('queued', 'running')
)
"""
hub = Hub((QUEUED, FINISHED), arrived={FINISHED: ARRIVED})

# A request that has been claimed before may have killed its worker. It is claimed alone, so that it cannot take other
# requests down with it; fresh ones are claimed together. All of a claim have one pack, as a batch runs through one pipeline,
# and it is one that the worker can run. A worker has the photos of a claim in memory, so their bytes are bounded; of a photo
# stored beside its row, octet_length reads the pointer alone.
CLAIM = """
WITH first AS (
    SELECT id, attempts, pack, octet_length(photo) AS size FROM recognition_recognitionrequest
    WHERE status = 'queued' AND (%(packs)s::text[] IS NULL OR pack = ANY(%(packs)s))
      AND (%(only)s::uuid[] IS NULL OR id = ANY(%(only)s))
    ORDER BY priority, id
    FOR UPDATE SKIP LOCKED
    LIMIT 1
), more AS (
    SELECT request.id, request.priority, octet_length(request.photo) AS size
    FROM recognition_recognitionrequest request, first
    WHERE request.status = 'queued' AND request.attempts = 0 AND first.attempts = 0
      AND request.pack = first.pack AND request.id <> first.id
      AND (%(only)s::uuid[] IS NULL OR request.id = ANY(%(only)s))
    ORDER BY request.priority, request.id
    FOR UPDATE OF request SKIP LOCKED
    LIMIT %(limit)s - 1
), fitting AS (
    SELECT more.id, first.size + sum(more.size) OVER (ORDER BY more.priority, more.id) AS together FROM more, first
), batch AS (
    SELECT id FROM first UNION ALL SELECT id FROM fitting WHERE together <= %(most_bytes)s
)
UPDATE recognition_recognitionrequest AS request
SET status = 'running', attempts = attempts + 1, claim_token = %(token)s, claimed_by = %(worker)s,
    claimed_at = clock_timestamp(), lease_expires_at = clock_timestamp() + %(lease)s
FROM batch WHERE request.id = batch.id
RETURNING request.id, (SELECT count(*) FROM more)
"""

CLAIMED = Compiled(
    lambda: (
        RecognitionRequest.objects.filter(pk=Given("ids", one_of=True))
        .select_related("gallery", "identity__gallery", "requested_by")
        .order_by("priority", "id")
    )
)

# A request that was attempted in vain goes back to the queue, or fails once its attempts are used up.
TRY_AGAIN = """
UPDATE recognition_recognitionrequest AS request
SET claim_token = NULL, lease_expires_at = NULL,
    status = CASE WHEN attempts < %(max_attempts)s THEN 'queued' ELSE 'failed' END,
    finished_at = CASE WHEN attempts < %(max_attempts)s THEN NULL ELSE clock_timestamp() END,
    error_code = CASE WHEN attempts < %(max_attempts)s THEN '' ELSE %(code)s END,
    error_message = CASE WHEN attempts < %(max_attempts)s THEN '' ELSE %(message)s END,
    photo = CASE WHEN attempts < %(max_attempts)s OR keep_photo THEN photo END
FROM vain WHERE request.id = vain.id
RETURNING request.id, request.status
"""
# Also those whose worker is known to be dead.
RELEASE = f"""
WITH vain AS (
    SELECT id FROM recognition_recognitionrequest
    WHERE status = 'running' AND (lease_expires_at < clock_timestamp() OR claimed_by = %(dead)s)
    FOR UPDATE SKIP LOCKED
)
{TRY_AGAIN}
"""
# Leases from before the clock was set back end as if they were given now: a living worker extends its own in time.
SHORTEN = """
UPDATE recognition_recognitionrequest SET lease_expires_at = clock_timestamp() + %(lease)s
WHERE status = 'running' AND lease_expires_at > clock_timestamp() + 2 * %(lease)s
"""
RETRY = f"""
WITH vain AS (SELECT id FROM recognition_recognitionrequest WHERE id = %(id)s AND claim_token = %(token)s FOR UPDATE)
{TRY_AGAIN}
"""
HAND_BACK = """
UPDATE recognition_recognitionrequest
SET status = 'queued', attempts = attempts - 1, claim_token = NULL, lease_expires_at = NULL
WHERE claim_token = %s
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
    threshold_source = coalesce(result.threshold_source, ''), timings_ms = coalesce(result.timings_ms, '{}'),
    warnings = coalesce(result.warnings, '{}')
FROM jsonb_to_recordset(%(results)s) AS result (
    id uuid, status text, sample_id uuid, error_code text, error_message text, image_width int, image_height int,
    image_rotation int, threshold_distance float, threshold_source text, timings_ms jsonb, warnings varchar[]
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
CLIENT_GONE = gettext_noop(
    "The client disconnected before a worker had started, so the photo was discarded. Send it again."
)

WORKER_LOST = gettext_noop(
    "The recognition worker stopped %(attempts)s times while processing this photo, so it is not tried again. "
    "It is a fault of the server. Tell your operator."
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A batch that is ours until its lease expires. `token` proves it when the results are written."""

    token: UUID
    requests: list[RecognitionRequest]


def notify(channel: str, key: UUID | str = "") -> None:
    """Wakes those who listen on `channel` when the transaction commits. PostgreSQL merges equal notifications in one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [channel, str(key)])


def capacity(*, pack: str) -> tuple[bool, bool]:
    """Whether a worker is alive, and whether the queue is full: QUEUE_LIMIT interactive photos of the pack are waiting already.

    Those of other packs do not count: they may wait for a worker that has their pack.
    """
    values = {
        "alive_for": WORKER_ALIVE_FOR,
        "priority": Priority.INTERACTIVE,
        "limit": settings.QUEUE_LIMIT,
        "pack": pack,
    }
    with planned_cursor() as cursor:
        cursor.execute(CAPACITY, values)
        return cursor.fetchone()


def claim(
    *,
    limit: int,
    most_bytes: int = CLAIM_BYTES,
    packs: Sequence[str] | None = None,
    only: Sequence[UUID] | None = None,
    worker_id: UUID | None = None,
) -> Claim | None:
    """Claims up to `limit` waiting requests, interactive before bulk, oldest first; None if nothing is waiting.

    most_bytes: of their photos together; the first is claimed however large it is.
    packs: those that the caller can run. only: the ids to choose from. None for all. worker_id: who claims; see `worker_died`.
    """
    token = uuid6.uuid7()
    values: dict[str, Any] = {
        "limit": limit,
        "most_bytes": most_bytes,
        "packs": list(packs) if packs is not None else None,
        "only": list(only) if only is not None else None,
        "token": token,
        "lease": timedelta(seconds=settings.LEASE_SECONDS),
        "worker": worker_id,
    }
    with planned_cursor() as cursor:
        cursor.execute(CLAIM, values)
        rows = cursor.fetchall()
    if not rows:
        return None
    ids = [pk for pk, _ in rows]
    if len(ids) < 1 + rows[0][1]:  # the others were locked for a moment, and a worker that looked just then saw none
        notify(QUEUED)
    counting.count("claims")
    counting.count("claimed_photos", number=len(ids))
    return Claim(token, CLAIMED(ids=ids))


def extend_lease(*, token: UUID) -> None:
    """Renews the lease of a claim; part of the worker's heartbeat."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE recognition_recognitionrequest SET lease_expires_at = clock_timestamp() + %s WHERE claim_token = %s",
            [timedelta(seconds=settings.LEASE_SECONDS), token],  # type: ignore[list-item]  # the stubs know no timedelta
        )


@transaction.atomic
def retry(*, request_id: UUID, token: UUID, code: str, message: str) -> None:
    """Queues a request again after a fault of the server, or fails it with the reason if it has no attempts left."""
    values = {"id": request_id, "token": token, "code": code, "message": message}
    _notify_of(_tried_in_vain(RETRY, values))


@transaction.atomic
def hand_back(*, token: UUID) -> None:
    """Queues what is left of a claim again, as if it had not been claimed."""
    with connection.cursor() as cursor:
        cursor.execute(HAND_BACK, [token])
    notify(QUEUED)


def release_for_pack(*, request_id: UUID, token: UUID, pack: str) -> None:
    """Queues a request again, to be processed with `pack`. The work done so far does not count as an attempt."""
    rows = RecognitionRequest.objects.filter(pk=request_id, claim_token=token)
    rows.update(status="queued", pack=pack, attempts=F("attempts") - 1, claim_token=None, lease_expires_at=None)
    notify(QUEUED)


def release_expired() -> int:
    """Queues the requests of dead workers again, or fails them if they have no attempts left. Returns how many there were."""
    with connection.cursor() as cursor:
        lease: Any = timedelta(seconds=settings.LEASE_SECONDS)
        cursor.execute(SHORTEN, {"lease": lease})
    return _release_lost()


@transaction.atomic
def worker_died(*, worker_id: UUID) -> int:
    """Removes a worker whose process was seen to end, and releases at once what it had claimed. Returns how many requests.

    A part of a re-embedding is taken over as soon as its worker's row is gone.
    """
    unregister_worker(worker_id=worker_id)
    return _release_lost(dead=worker_id)


@transaction.atomic
def _release_lost(*, dead: UUID | None = None) -> int:
    message = WORKER_LOST % {"attempts": settings.MAX_ATTEMPTS}
    released = _tried_in_vain(RELEASE, {"code": "worker_lost", "message": message, "dead": dead})
    _notify_of(released)
    return len(released)


def _tried_in_vain(statement: str, values: dict[str, Any]) -> list[tuple[UUID, str]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values | {"max_attempts": settings.MAX_ATTEMPTS})
        return cursor.fetchall()


def _notify_of(released: Sequence[tuple[UUID, str]]) -> None:
    for pk, status in released:
        notify(*((QUEUED,) if status == "queued" else (FINISHED, pk)))


def hold(*, ids: Sequence[UUID], token: UUID) -> set[UUID]:
    """Locks requests so that their results can be written. Call it inside the transaction that writes them.

    Returns the ids of those we still hold; the leases of the others have been lost, or the requests deleted.
    """
    with planned_cursor() as cursor:
        cursor.execute(HOLD, [list(ids), token])
        return {pk for (pk,) in cursor.fetchall()}


def finish(results: Sequence[dict[str, Any]]) -> None:
    """Ends requests that the caller holds, clears photos that are not to be kept, and wakes whoever waits for them.

    A result has "id" and "status", and optionally "sample_id", "error_code", "error_message", "image_width",
    "image_height", "image_rotation", "threshold_distance", "threshold_source", "timings_ms", "warnings".
    """
    with planned_cursor() as cursor:
        cursor.execute(FINISH, {"results": json.dumps(results), "channel": FINISHED})
    transaction.on_commit(lambda: _count(results))


def _count(results: Sequence[dict[str, Any]]) -> None:
    """For monitoring: how requests ended, and how long each stage took."""
    for result in results:
        counting.count("finished", result["status"])
        if code := result.get("error_code"):
            counting.count("refusals", code)
        for stage, milliseconds in result.get("timings_ms", {}).items():
            counting.observe("stages", stage, milliseconds / 1000)


def abandon(ids: Sequence[UUID]) -> None:
    """Discards requests that no worker has started, because nobody waits for their answer any more.

    Enrolments stay queued: they are worth doing even if nobody reads the answer.
    """
    with connection.cursor() as cursor:
        cursor.execute(ABANDON, {"ids": list(ids), "message": CLIENT_GONE})


def arrival_of(ids: Sequence[UUID]) -> Arrival:
    """An Arrival to wait on until none of `ids` is queued or running any more. The caller closes it."""
    arrival = hub.arrival(FINISHED, map(str, ids))
    with connection.cursor() as cursor:
        cursor.execute(ARRIVED, [list(arrival.keys)])
        for (key,) in cursor.fetchall():
            arrival.note(key)
    return arrival


def register_worker(
    *,
    host: str,
    process_id: int,
    engine: dict[str, Any] | None = None,
    packs: Sequence[str] | None = None,
    worker_id: UUID | None = None,
) -> Worker:
    """Adds the row of a worker that starts. engine, packs: see Worker. worker_id: its id, if it was given one; the row may
    exist."""
    values = {"host": host, "process_id": process_id, "engine": engine or {}, "last_seen_at": Now()}
    values |= {"packs": None if packs is None else list(packs), "pack_faults": {}}
    return Worker.objects.update_or_create(pk=worker_id or uuid6.uuid7(), defaults=values)[0]


def record_engine(*, worker_id: UUID, engine: dict[str, Any]) -> None:
    """Records what a worker's nets run on, after it has loaded another pack."""
    Worker.objects.filter(pk=worker_id).update(engine=engine)


def record_packs(*, worker_id: UUID, packs: Sequence[str], faults: dict[str, str]) -> None:
    """Records which packs a worker can run, and why it cannot load others."""
    Worker.objects.filter(pk=worker_id).update(packs=list(packs), pack_faults=faults)


def record_heartbeat(*, worker_id: UUID) -> bool:
    """Records that a worker is alive, and deletes workers not seen for an hour.

    Returns whether the worker's row was there. Another worker may have deleted it: one that is suspended, or cut off from the
    database, for an hour looks like a dead one. It then registers again.
    """
    with connection.cursor() as cursor:
        cursor.execute("UPDATE recognition_worker SET last_seen_at = clock_timestamp() WHERE id = %s", [worker_id])
        known = cursor.rowcount == 1
        cursor.execute("DELETE FROM recognition_worker WHERE last_seen_at < clock_timestamp() - interval '1 hour'")
    return known


def unregister_worker(*, worker_id: UUID) -> None:
    """Deletes the row of a worker that stops."""
    Worker.objects.filter(pk=worker_id).delete()
