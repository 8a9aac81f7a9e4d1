"""What the main jobs need, made inside a platform (see inside.py): a gallery with its own owner, Grace with a face, others
without one, and somebody unknown at the door. Each job gets a gallery of its own, so that none sees what another has done."""

import time
from collections import Counter
from functools import cache
from pathlib import Path

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import transaction
from django.utils import timezone
from factories import PASSWORD, IdentityFactory, UserFactory, unit
from seen import sight

from accounts.models import AuditEvent, Membership, User
from accounts.roles import Role
from gallery.models import FaceCrop, FaceEmbedding, FaceSample, Gallery, Identity
from recognition.attendance.services import count_sighting
from recognition.cameras.models import Camera
from recognition.demo.portraits import PORTRAITS
from recognition.engine.pipeline import Pipeline
from recognition.photos.models import RecognitionRequest

PACK = "sface"
OTHERS = ("Eileen Collins", "Ada Lovelace", "Zoë Okafor")


@transaction.atomic
def make(slug: str, pack: str = PACK, crowd: int = 0) -> dict:
    """The gallery, and its owner's user name, password and a session; all at once, for the platform's workers are running.

    crowd: how many people more, 50 of them of the night shift.
    """
    gallery = Gallery.objects.create(slug=slug, name=slug.capitalize(), pack=pack)
    owner = UserFactory(username=f"owner-of-{slug}", last_login=timezone.now())
    Membership.objects.create(user=owner, gallery=gallery, role=Role.OWNER)
    grace = IdentityFactory(gallery=gallery, name="Grace Hopper", department="Navy", last_recognized_at=timezone.now())
    _enrol(grace)
    for name in OTHERS:
        IdentityFactory(gallery=gallery, name=name, department="Science")
    count_sighting(sight(gallery, unit(8), identity=grace, at=timezone.now()))
    Identity.objects.bulk_create(
        Identity(gallery=gallery, name=f"Worker {n:05}", department="Night shift" if n < 50 else "Day")
        for n in range(crowd)
    )
    for _ in range(2):
        stranger = sight(gallery, unit(9), at=timezone.now())
    return {
        "slug": slug,
        "username": owner.username,
        "password": PASSWORD,
        "session": _session(owner),
        "unknown": str(stranger.unknown_id),
    }


def _enrol(person: Identity) -> None:
    face = _grace(person.gallery.pack)
    jpeg, landmarks = face.crop.jpeg, face.crop.landmarks.tolist()
    sample = FaceSample.objects.create(
        identity=person, gallery=person.gallery, photo_sha256="0" * 64, photo_width=100, photo_height=100,
        box=[10, 10, 50, 50], detection_score=0.99, quality_score=0.9, quality={"measures": {}, "reasons": []},
    )  # fmt: skip
    FaceCrop.objects.create(sample=sample, jpeg=jpeg, width=112, height=112, landmarks=landmarks)
    FaceEmbedding.objects.create(
        gallery=person.gallery, pack=person.gallery.pack, sample=sample, vector=list(face.embedding)
    )


@cache
def _grace(pack: str):
    """Her face in the demo's portrait, as the pack sees it."""
    pipeline = Pipeline.load(Path(settings.MODELS_DIR) / pack)
    [analysis] = pipeline.analyse([PORTRAITS[0].path.read_bytes()], purposes=["enrol"])
    return analysis.faces[0]


def _session(user: User) -> str:
    """As after signing in with the password just now."""
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session["account_authentication_methods"] = [{"method": "password", "at": time.time(), "username": user.username}]
    session.create()
    return session.session_key


def count(slug: str) -> dict[str, int]:
    """The rows that jobs make in the gallery, and its audit events, and those of its owner, by action."""
    gallery = Gallery.objects.get(slug=slug)
    rows = {
        "people": gallery.identities.count(),
        "inactive": gallery.identities.filter(active=False).count(),
        "faces": FaceSample.objects.filter(gallery=gallery).count(),
        "recognised": RecognitionRequest.objects.filter(gallery=gallery, purpose="recognize").count(),
        "cameras": Camera.objects.filter(gallery=gallery).count(),
        "members": Membership.objects.filter(gallery=gallery).count(),
    }
    own = AuditEvent.objects.filter(user_name=f"owner-of-{slug}").exclude(action__startswith="sign_in.")
    return rows | Counter(own.values_list("action", flat=True))


def end_sessions() -> int:
    """Of everybody, as if they had lasted too long."""
    return Session.objects.all().delete()[0]


def close(slug: str) -> bool:
    """Its cameras are not asked for pictures any more."""
    Camera.objects.filter(gallery__slug=slug).update(enabled=False)
    return True
