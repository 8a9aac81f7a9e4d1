"""Writes to cameras: made, changed and deleted by a gallery's owners; and the pictures that a browser posts for a webcam.

A change wakes the camera workers (channels.CAMERAS).
"""

from collections.abc import Mapping
from typing import Any

from django.db import connection
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from accounts import audit
from accounts.actor import Actor
from accounts.audit import audited
from accounts.models import AuditEvent
from accounts.roles import Role, Scope
from faceplatform.errors import Conflict, InvalidInput, TooManyAttempts, Unprocessable
from faceplatform.sealed import CannotOpen, seal
from faceplatform.text import clean_name
from faceplatform.web.languages import retold
from gallery.models import Gallery
from gallery.services import assign, validate_and_save
from gallery.slugs import slugs_for
from recognition.cameras.addresses import machine_of, take_apart
from recognition.cameras.channels import CAMERAS, INCOMING, notify
from recognition.cameras.deleting import delete_sightings_of, lock_unknowns
from recognition.cameras.models import Camera, CameraKind, CameraState, CameraStatus
from recognition.cameras.sources import allowed_sources, readable_credentials_of, source_of
from recognition.engine.jpeg import layout
from recognition.video.source import Reason, Source, SourceError, check_source

CAMERA_FIELDS = (
    "name", "slug", "kind", "address", "enabled", "role", "fps", "min_face_px", "min_frames", "masks", "live", "repeats",
    "retention_days", "unknown_retention_days",
)  # fmt: skip
NETWORK_KINDS = (CameraKind.RTSP, CameraKind.MJPEG)
MOST_CAMERAS = 100  # of a gallery
MOST_MASKS, MOST_CORNERS = 20, 50
LONGEST_CREDENTIAL = 200
MOST_POSTED_BYTES = 1_000_000
MOST_POSTED_PIXELS = 1920 * 1080
SHORTEST_PAUSE = "0.3 seconds"  # between two posted pictures of a camera: three a second, and some jitter


def require_owner(actor: Actor, gallery: Gallery) -> None:
    actor.require_scope(Scope.MANAGE)
    actor.require_role(gallery, Role.OWNER)


def source_to_try(
    *,
    actor: Actor,
    gallery: Gallery,
    kind: str,
    address: str = "",
    user: str | None = None,
    password: str | None = None,
    camera: Camera | None = None,
) -> Source:
    """What to read before anything is saved. camera: the one whose settings are being changed; its password is used if none
    is given. Raises NotAllowed, and InvalidInput as `create_camera` does."""
    require_owner(actor, gallery)
    tried = Camera(gallery=gallery, credentials=camera.credentials if camera else "")
    tried.kind, tried.address = (camera.kind, camera.address) if camera else ("", "")
    _set_source(tried, {"kind": kind, "address": address}, user, password)
    if tried.kind == CameraKind.WEBCAM:
        raise InvalidInput(
            _("A webcam is tried on its own page, in the browser that it belongs to. Save the camera first.")
        )
    return source_of(tried)


# --- Writes ---


def create_camera(
    *, actor: Actor, gallery: Gallery, name: str, kind: str, address: str = "", user: str = "", password: str = "",
    **fields: Any,
) -> Camera:  # fmt: skip
    """Adds a camera to a gallery. fields: of CAMERA_FIELDS. A user and a password inside the address are taken out of it.

    slug: made from the name if empty. Raises NotAllowed, Conflict if the slug given is taken or the gallery has too many
    cameras, and InvalidInput, with a sentence for the page, if the camera may not be read or a value is wrong.
    """
    require_owner(actor, gallery)
    camera = Camera(gallery=gallery, name=clean_name(name))
    _set_source(camera, {"kind": kind, "address": address}, user, password)
    return _insert(actor=actor, camera=camera, fields=fields)


@audited
def _insert(*, actor: Actor, camera: Camera, fields: Mapping[str, Any]) -> Camera:
    gallery = camera.gallery
    if Camera.objects.filter(gallery=gallery).count() >= MOST_CAMERAS:
        raise Conflict(
            _("A gallery has at most %(most)s cameras. Delete one, or make another gallery.") % {"most": MOST_CAMERAS}
        )
    slug = fields.get("slug")
    _assign(camera, {name: value for name, value in fields.items() if name != "slug" or value})
    if slug:
        validate_and_save(camera)
    else:
        _save_with_free_slug(camera)
    status = CameraStatus.WAITING if camera.enabled else CameraStatus.DISABLED
    CameraState.objects.create(camera=camera, gallery=gallery, status=status)
    details = {"kind": camera.kind, "machine": machine_of(camera.address)}
    audit.record(actor=actor, action="camera.created", gallery=gallery, target=camera, details=details)
    notify(CAMERAS, camera.pk)
    return camera


def _save_with_free_slug(camera: Camera) -> None:
    taken = Conflict(_("No slug for this name is free. Give one of your own."))
    for slug in slugs_for(camera.name, "camera"):
        if Camera.objects.filter(gallery=camera.gallery, slug=slug).exists():
            continue
        camera.slug = slug
        try:
            return validate_and_save(camera)
        except Conflict as error:
            taken = error
    raise taken


def update_camera(
    *, actor: Actor, camera: Camera, user: str | None = None, password: str | None = None, **fields: Any
) -> Camera:
    """Changes a camera. fields: of CAMERA_FIELDS. user, password: None leaves them as they are, both empty removes them.

    Raises as `create_camera`; also InvalidInput if the address leads to another machine and no password is given with it:
    the one that is kept is not sent there.
    """
    require_owner(actor, camera.gallery)
    if not {"kind", "address"}.isdisjoint(fields) or user is not None or password is not None:
        _set_source(Camera(gallery=camera.gallery, **_source_fields(camera)), fields, user, password)
    return _change(actor=actor, camera=camera, user=user, password=password, fields=fields)


@audited
def _change(
    *, actor: Actor, camera: Camera, user: str | None, password: str | None, fields: Mapping[str, Any]
) -> Camera:
    camera = lock_camera(camera)
    before = _source_fields(camera)
    _set_source(camera, fields, user, password, check=False)
    changes = _assign(camera, {name: value for name, value in fields.items() if name not in ("kind", "address")})
    changes |= _source_changes(before, _source_fields(camera))
    if changes:
        validate_and_save(camera)
        _note_switch(camera)
        audit.record(actor=actor, action="camera.changed", gallery=camera.gallery, target=camera, details=changes)
        notify(CAMERAS, camera.pk)
    return camera


def _note_switch(camera: Camera) -> None:
    """Tells the page at once where no worker would: one that reads the camera writes its state itself. A video that is over
    begins again."""
    unread = CameraState.objects.filter(camera=camera, claim_token=None)
    new = {"status": CameraStatus.WAITING if camera.enabled else CameraStatus.DISABLED, "reason": "", "since": Now()}
    if camera.enabled:
        unread.filter(status__in=(CameraStatus.DISABLED, CameraStatus.ENDED)).update(**new)
    else:
        unread.exclude(status=CameraStatus.DISABLED).update(**new)


@audited
def delete_camera(*, actor: Actor, camera: Camera) -> AuditEvent:
    """Deletes a camera with all its sightings, for good."""
    require_owner(actor, camera.gallery)
    # In the order in which the camera's worker locks, which has lost the camera by this.
    CameraState.objects.filter(camera=camera).update(claim_token=None, claimed_by=None, lease_expires_at=None)
    lock_unknowns(camera.gallery_id)
    camera = lock_camera(camera)
    details = {"sightings": camera.sightings.count()}
    event = audit.record(actor=actor, action="camera.deleted", gallery=camera.gallery, target=camera, details=details)
    notify(CAMERAS, camera.pk)
    delete_sightings_of(camera)
    camera.delete()
    return event


def lock_camera(camera: Camera) -> Camera:
    """The camera as it is now, locked. Raises Conflict (deleted_meanwhile)."""
    rows = Camera.objects.select_for_update(of=("self",)).select_related("gallery")
    locked = rows.filter(pk=camera.pk).first()
    if locked is None:
        raise Conflict(_("This camera has been deleted in the meantime."), code="deleted_meanwhile")
    return locked


# --- The source of a camera ---


def _source_fields(camera: Camera) -> dict[str, str]:
    return {"kind": camera.kind, "address": camera.address, "credentials": camera.credentials}


def _source_changes(before: dict[str, str], after: dict[str, str]) -> dict[str, Any]:
    """For the audit, without what may hold a secret: of an address the machine, of credentials that they changed."""
    changes: dict[str, Any] = {}
    if before["kind"] != after["kind"]:
        changes["kind"] = [before["kind"], after["kind"]]
    if before["address"] != after["address"]:
        changes["machine"] = [machine_of(before["address"]), machine_of(after["address"])]
    if before["credentials"] != after["credentials"]:
        changes["credentials"] = "changed" if after["credentials"] else "removed"
    return changes


def _set_source(
    camera: Camera, fields: Mapping[str, Any], user: str | None, password: str | None, *, check: bool = True
) -> None:
    """Sets kind, address and credentials. check: also whether it may be read, which asks DNS: do it outside of transactions."""
    machine, kept = machine_of(camera.address), camera.credentials
    camera.kind = fields.get("kind", camera.kind)
    if camera.kind not in CameraKind.values:
        raise InvalidInput(f"kind must be one of {', '.join(CameraKind.values)}.")
    address = fields.get("address", camera.address)
    if camera.kind in NETWORK_KINDS:
        address, pasted_user, pasted_password = take_apart(address)
        user = user or pasted_user or user
        password = password or pasted_password or password
    camera.address = address.strip()
    if camera.kind == CameraKind.WEBCAM:
        camera.address = camera.credentials = ""
        return
    _set_credentials(camera, user, password, moved=bool(kept) and machine != machine_of(camera.address))
    if check:
        _check_readable(camera)


def _set_credentials(camera: Camera, user: str | None, password: str | None, *, moved: bool) -> None:
    if camera.kind not in NETWORK_KINDS:
        camera.credentials = ""
        return
    if moved and password is None and user != "":
        raise InvalidInput(
            _("The address leads to another machine. Enter the password again, so that it may be sent there.")
        )
    if user is None and password is None:
        return
    kept = readable_credentials_of(camera)
    old_user, old_password = ("", "") if moved or user == "" else kept
    pair = (old_user if user is None else user, old_password if password is None else password)
    if any(len(value) > LONGEST_CREDENTIAL for value in pair):
        raise InvalidInput(
            _("A user name or password may have %(most)s characters at most.") % {"most": LONGEST_CREDENTIAL}
        )
    if pair != kept or not any(pair):  # sealed anew, the same pair would look like a change
        camera.credentials = seal({"user": pair[0], "password": pair[1]}) if any(pair) else ""


def _check_readable(camera: Camera) -> None:
    """Raises InvalidInput, with the sentence. A name that nobody has yet is no mistake: the camera may come later."""
    if not camera.address:
        raise InvalidInput(_("Enter the camera's address."))
    try:
        check_source(source_of(camera), allowed_sources())
    except CannotOpen:
        raise InvalidInput(_("The password was encrypted under another secret key. Enter it again.")) from None
    except SourceError as error:
        if error.reason != Reason.UNKNOWN_NAME:
            raise InvalidInput(retold(error.sentence), code=f"camera_{error.reason}") from None


def _assign(camera: Camera, fields: Mapping[str, Any]) -> dict[str, Any]:
    if "masks" in fields:
        _check_masks(fields["masks"])
    return assign(camera, fields, CAMERA_FIELDS)


def _check_masks(masks: Any) -> None:
    """Polygons [[x, y], …] with three corners or more, each number a share of the picture."""
    fine = isinstance(masks, list) and len(masks) <= MOST_MASKS and all(map(_is_polygon, masks))
    if not fine:
        raise InvalidInput(
            _("masks: send at most %(most)s polygons [[x, y], …] of 3 to %(corners)s corners, each number from 0 to 1.")
            % {"most": MOST_MASKS, "corners": MOST_CORNERS}
        )


def _is_polygon(corners: Any) -> bool:
    return (
        isinstance(corners, list)
        and 3 <= len(corners) <= MOST_CORNERS
        and all(isinstance(corner, list) and len(corner) == 2 and all(map(_is_share, corner)) for corner in corners)
    )


def _is_share(number: Any) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and 0 <= number <= 1


# --- The browser's webcam ---

POST_FRAME = """
INSERT INTO cameras_incomingframe AS frame (camera_id, gallery_id, seq, posted_at, jpeg)
VALUES (%(camera)s, %(gallery)s, 1, clock_timestamp(), %(jpeg)s)
ON CONFLICT (camera_id) DO UPDATE SET seq = frame.seq + 1, posted_at = excluded.posted_at, jpeg = excluded.jpeg
WHERE frame.posted_at < excluded.posted_at - %(pause)s::interval
   OR frame.posted_at > excluded.posted_at  -- the clock was set back
RETURNING seq
"""


def post_frame(*, actor: Actor, camera: Camera, jpeg: bytes) -> int:
    """The same as `keep_frame`, for a curator. Raises also NotAllowed."""
    actor.require_scope(Scope.RECOGNIZE)
    actor.require_role(camera.gallery, Role.CURATOR)
    return keep_frame(camera, jpeg)


def keep_frame(camera: Camera, jpeg: bytes) -> int:
    """Keeps a webcam's newest picture for the camera worker; returns its number. Not audited: it comes thrice a second.

    Whether the sender may is for the caller to check. jpeg: MOST_POSTED_BYTES and MOST_POSTED_PIXELS at most. Raises Conflict
    (no_webcam, switched_off), InvalidInput (too_large), Unprocessable (invalid_image), and TooManyAttempts for more than three
    a second.
    """
    if camera.kind != CameraKind.WEBCAM:
        raise Conflict("This camera is no webcam: its pictures are read, not posted.", code="no_webcam")
    if not camera.enabled:
        raise Conflict("This camera is switched off.", code="switched_off")
    _check_posted(jpeg)
    values: dict[str, Any] = {"camera": camera.pk, "gallery": camera.gallery_id, "jpeg": jpeg, "pause": SHORTEST_PAUSE}
    with connection.cursor() as cursor:
        cursor.execute(POST_FRAME, values)
        row = cursor.fetchone()
    if row is None:
        raise TooManyAttempts("Send at most three pictures a second for a camera.", retry_after=1)
    notify(INCOMING, camera.pk)
    return int(row[0])


def _check_posted(jpeg: bytes) -> None:
    if len(jpeg) > MOST_POSTED_BYTES:
        raise InvalidInput("A picture may have 1 MB at most. Send smaller ones.", code="too_large", status=413)
    found = layout(jpeg) if jpeg.startswith(b"\xff\xd8") and jpeg.endswith(b"\xff\xd9") else None
    if found is None or not found.is_decodable or not (found.width and found.height):
        raise Unprocessable("This is no JPEG, or not all of one. Send one whole JPEG as the body.")
    if found.width * found.height > MOST_POSTED_PIXELS:
        raise InvalidInput("The picture is larger than 1920 x 1080. Send smaller ones.", code="too_large", status=413)
