"""Makes, starts and ends kiosks, takes their pictures, and says whom their camera sees.

An owner makes a kiosk and is shown a code. The browser at the door gives the code once, and gets a key, in a cookie. Of both the
database has a hash alone. The code is short, because it is typed: it holds for minutes, and its tries count as tries to sign in.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from accounts import audit
from accounts.actor import Actor
from accounts.audit import audited
from faceplatform.errors import Conflict, InvalidInput, NotAllowed
from faceplatform.text import clean_name
from gallery.services import validate_and_save
from recognition.cameras.models import Camera, CameraKind, Sighting
from recognition.cameras.services import keep_frame, lock_camera, require_owner
from recognition.kiosks.models import Kiosk
from recognition.photos.models import Decision

LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # none that is taken for another
CODE_LENGTH = 8  # 40 bits
CODE_HOLDS = timedelta(minutes=15)
MOST_KIOSKS = 10  # of a camera
LAST_USED_RESOLUTION = timedelta(minutes=1)
SEEN_WITHIN = timedelta(seconds=13)  # who still stands there is written every ten seconds


@dataclass(frozen=True, slots=True)
class Seen:
    """Whom a kiosk greets. name: None for somebody who is not known. at: since when they are there."""

    name: str | None
    at: datetime


@audited
def make_kiosk(*, actor: Actor, camera: Camera, name: str, greets_strangers: bool = False) -> tuple[Kiosk, str]:
    """Adds a kiosk to a webcam camera. Returns its row and the code, which is not stored.

    Raises NotAllowed below owners, Conflict (no_webcam, or too many), and InvalidInput without a name.
    """
    require_owner(actor, camera.gallery)
    camera = lock_camera(camera)
    if camera.kind != CameraKind.WEBCAM:
        raise Conflict(_("A kiosk needs a camera of the kind “webcam”. Add one for it."), code="no_webcam")
    if camera.kiosks.count() >= MOST_KIOSKS:
        raise Conflict(_("A camera has at most %(most)s kiosks. End one first.") % {"most": MOST_KIOSKS})
    code = "".join(secrets.choice(LETTERS) for _ in range(CODE_LENGTH))
    kiosk = Kiosk(
        gallery=camera.gallery, camera=camera, name=clean_name(name), greets_strangers=greets_strangers,
        code_hash=_hash_of_code(code), code_expires_at=timezone.now() + CODE_HOLDS, created_by=actor.user,
    )  # fmt: skip
    validate_and_save(kiosk)
    _record(actor, "kiosk.made", kiosk)
    return kiosk, f"{code[:4]}-{code[4:]}"


@audited
def start_kiosk(*, actor: Actor, code: str) -> tuple[Kiosk, str]:
    """Uses a code up. Returns the kiosk and its key, which is not stored. actor: for the audit alone, whoever typed it.

    Raises InvalidInput (wrong_code). Tries are limited by the caller: accounts/sign_in/throttling.py.
    """
    kiosk = Kiosk.objects.waiting().select_for_update(of=("self",)).filter(code_hash=_hash_of_code(code)).first()
    if kiosk is None:
        message = _("This code is wrong, was used already, or is too old. Ask for a new one.")
        raise InvalidInput(message, code="wrong_code")
    key = secrets.token_urlsafe(32)
    kiosk.code_hash, kiosk.key_hash = None, hash_of_key(key)
    kiosk.started_at = kiosk.last_used_at = timezone.now()
    kiosk.save(update_fields=["code_hash", "key_hash", "started_at", "last_used_at"])
    _record(actor, "kiosk.started", kiosk)
    return kiosk, key


@audited
def end_kiosk(*, actor: Actor, kiosk: Kiosk) -> None:
    """Ends a kiosk at once: its browser is let in no more. Raises NotAllowed below owners."""
    require_owner(actor, kiosk.gallery)
    _record(actor, "kiosk.ended", kiosk)
    Kiosk.objects.filter(pk=kiosk.pk).delete()


def kiosk_of(key: str) -> Kiosk:
    """The kiosk whose browser has this key. Raises NotAllowed (kiosk_ended), 401."""
    kiosk = Kiosk.objects.in_force().filter(key_hash=hash_of_key(key)).first() if key else None
    if kiosk is None:
        raise NotAllowed(_("This browser is no kiosk, or no longer."), code="kiosk_ended", status=401)
    return kiosk


def post_frame(*, kiosk: Kiosk, jpeg: bytes) -> None:
    """Keeps a picture for the camera worker. Raises as `cameras.services.post_frame` does, but for NotAllowed."""
    keep_frame(kiosk.camera, jpeg)
    now = timezone.now()
    if kiosk.last_used_at is None or now - kiosk.last_used_at > LAST_USED_RESOLUTION:
        Kiosk.objects.filter(pk=kiosk.pk).update(last_used_at=now)


def seen_now(kiosk: Kiosk) -> Seen | None:
    """The newest of those who are before the kiosk's camera at this moment."""
    now = timezone.now()  # who was seen after it was seen before the clock was set back
    within = {"last_seen__gte": now - SEEN_WITHIN, "last_seen__lte": now + SEEN_WITHIN}
    rows = Sighting.objects.filter(camera=kiosk.camera_id, **within)
    decisions = [Decision.KNOWN, Decision.UNKNOWN] if kiosk.greets_strangers else [Decision.KNOWN]
    row = rows.filter(decision__in=decisions).select_related("identity__merged_into").order_by("-first_seen").first()
    if row is None:
        return None
    person = row.identity.current if row.identity else None
    if person is None and row.decision == Decision.KNOWN:  # deleted meanwhile
        return None
    return Seen(person.name if person else None, row.first_seen)


def hash_of_key(key: str) -> str:
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()


def _hash_of_code(code: str) -> str:
    """Under the platform's secret: a code is short enough to be found from a plain hash."""
    letters = "".join(letter for letter in code.upper() if letter in LETTERS)
    return salted_hmac("kiosk code", letters, algorithm="sha256").hexdigest()


def _record(actor: Actor, action: str, kiosk: Kiosk) -> None:
    details = {"camera": str(kiosk.camera_id)}
    audit.record(actor=actor, action=action, gallery=kiosk.gallery, target=kiosk, details=details)
