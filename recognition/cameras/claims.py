"""Which worker reads which camera: claim, sign of life, release. All SQL on that is here.

A camera is claimed as a photo is (recognition/photos/queue.py): with a token and a lease. Whoever writes for it holds the token,
see recognition/sightings/writing.py.
"""

import os
import socket
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import uuid6
from django.db import connection, transaction

from faceplatform.database.listen import Hub
from recognition.cameras.channels import CAMERAS, WATCHED, notify
from recognition.cameras.models import Camera, CameraState, CameraStatus, LivePeriod

hub = Hub((CAMERAS, WATCHED))
LEASE = timedelta(seconds=20)
SUSPICIOUS = timedelta(seconds=60)  # before a camera whose opening may have killed a worker is opened again

ADD_STATES = """
INSERT INTO cameras_camerastate (camera_id, gallery_id, status, reason, since, drops, reconnects, opening, worker)
SELECT id, gallery_id, 'waiting', '', clock_timestamp(), 0, 0, false, '' FROM cameras_camera camera
WHERE NOT EXISTS (SELECT FROM cameras_camerastate WHERE camera_id = camera.id)
ON CONFLICT DO NOTHING
"""
# Leases from before the clock was set back end as if they were given now.
SHORTEN = """
UPDATE cameras_camerastate SET lease_expires_at = clock_timestamp() + %(lease)s
WHERE lease_expires_at > clock_timestamp() + 2 * %(lease)s
"""
# A camera that was being opened when its worker died may have killed it: it comes last, alone, and after a while.
CLAIM = """
WITH free AS (
    SELECT state.camera_id FROM cameras_camerastate state
    JOIN cameras_camera camera ON camera.id = state.camera_id
    JOIN gallery_gallery gallery ON gallery.id = camera.gallery_id
    WHERE camera.enabled AND gallery.deletes_at IS NULL AND gallery.pack = ANY(%(packs)s) AND state.status <> 'ended'
      AND (state.claim_token IS NULL OR state.lease_expires_at < clock_timestamp()
             AND (NOT state.opening OR %(alone)s AND state.lease_expires_at < clock_timestamp() - %(suspicious)s))
    ORDER BY state.opening, state.since
    FOR UPDATE OF state SKIP LOCKED
    LIMIT %(limit)s
)
UPDATE cameras_camerastate state
SET claim_token = %(token)s, claimed_by = %(worker)s, lease_expires_at = clock_timestamp() + %(lease)s, worker = %(name)s,
    status = 'connecting', reason = '', since = clock_timestamp(), opening = true
FROM free WHERE state.camera_id = free.camera_id
RETURNING state.camera_id
"""
# A camera that was being opened stays suspicious, from now on.
FREE = """
UPDATE cameras_camerastate
SET claim_token = CASE WHEN opening THEN claim_token END,
    lease_expires_at = CASE WHEN opening THEN least(lease_expires_at, clock_timestamp()) END,
    claimed_by = NULL, status = 'waiting', since = clock_timestamp(), fps = NULL, analysed_fps = NULL
WHERE claimed_by = %s RETURNING camera_id
"""
EXTEND = """
UPDATE cameras_camerastate SET lease_expires_at = clock_timestamp() + %(lease)s
WHERE claim_token = ANY(%(tokens)s)
RETURNING camera_id, coalesce(watched_until BETWEEN clock_timestamp() AND clock_timestamp() + interval '1 minute', false)
"""
CLOSE_ABANDONED = """
UPDATE cameras_sighting sighting SET closed = true
WHERE NOT closed AND NOT EXISTS (
    SELECT FROM cameras_camerastate state
    WHERE state.camera_id = sighting.camera_id AND state.lease_expires_at > clock_timestamp()
)
"""


class Lost(Exception):
    """The camera is another worker's by now, or nobody's: what this one has to say about it no longer counts."""


@dataclass(frozen=True, slots=True)
class Claim:
    camera: Camera
    token: UUID


def claim(*, worker: UUID, packs: Sequence[str], limit: int, alone: bool) -> list[Claim]:
    """Claims up to `limit` cameras whose galleries' packs this worker can run; alone: none of its cameras is being opened.

    Sightings that were left open are closed as they are.
    """
    if limit <= 0:
        return []
    token = uuid6.uuid7()
    values: dict[str, Any] = {
        "worker": worker, "packs": list(packs), "limit": limit, "alone": alone, "token": token, "lease": LEASE,
        "suspicious": SUSPICIOUS, "name": f"{socket.gethostname()}:{os.getpid()}",
    }  # fmt: skip
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(ADD_STATES)
        cursor.execute(SHORTEN, values)
        cursor.execute(CLAIM, values)
        claimed = [pk for (pk,) in cursor.fetchall()]
        if claimed:
            cursor.execute(
                "UPDATE cameras_sighting SET closed = true WHERE NOT closed AND camera_id = ANY(%s)", [claimed]
            )
    return [Claim(camera, token) for camera in Camera.objects.filter(pk__in=claimed).select_related("gallery")]


def extend(tokens: Collection[UUID]) -> dict[UUID, bool]:
    """Renews the leases. Returns the cameras that are still held, and whether somebody watches each."""
    values: dict[str, Any] = {"tokens": list(tokens), "lease": LEASE}
    with connection.cursor() as cursor:
        cursor.execute(EXTEND, values)
        return dict(cursor.fetchall())


def release(claim: Claim, status: CameraStatus, reason: str = "") -> None:
    """Gives a camera back; it is free for every worker at once, unless it has ended or is switched off."""
    held = CameraState.objects.filter(camera=claim.camera.pk, claim_token=claim.token)
    held.update(
        claim_token=None, claimed_by=None, lease_expires_at=None, opening=False, status=status, reason=reason[:300],
        fps=None, analysed_fps=None,
    )  # fmt: skip


def worker_died(worker_id: UUID) -> int:
    """Frees the cameras of a worker whose process was seen to end. Returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(FREE, [worker_id])
        freed = [pk for (pk,) in cursor.fetchall()]
    for pk in freed[:1]:  # one word is enough to make the others look
        notify(CAMERAS, pk)
    return len(freed)


def write_state(claim: Claim, **values: Any) -> None:
    """Raises Lost."""
    if not CameraState.objects.filter(camera=claim.camera.pk, claim_token=claim.token).update(**values):
        raise Lost


def hold(claim: Claim) -> None:
    """Within a transaction: until its end nobody else can claim the camera. Raises Lost."""
    held = CameraState.objects.select_for_update().filter(camera=claim.camera.pk, claim_token=claim.token)
    if not held.values_list("pk").first():
        raise Lost


def close_abandoned() -> int:
    """Closes the sightings of cameras that nobody reads, as they are."""
    with connection.cursor() as cursor:
        cursor.execute(CLOSE_ABANDONED)
        return cursor.rowcount


def begin_period(camera: Camera, at: Any) -> LivePeriod:
    return LivePeriod.objects.create(gallery_id=camera.gallery_id, camera=camera, began_at=at, ended_at=at)


def extend_period(period: LivePeriod, at: Any) -> None:
    if LivePeriod.objects.filter(pk=period.pk, ended_at__lt=at).update(ended_at=at):
        period.ended_at = at
