"""Faces of sightings as samples of a person: which ones, and whether they are good enough."""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from django.utils.translation import gettext_noop

from accounts.actor import Actor
from faceplatform.errors import Conflict
from gallery.models import FaceSample, Gallery, Identity, QualityGate
from gallery.pack_in_force import hold_pack
from gallery.services import EnrolledFace, add_sample
from recognition.cameras.models import SightingFace
from recognition.engine.align import CROP_MARGIN
from recognition.photos.naming import looks_like, refused_by_gate
from recognition.photos.results.refusals import refusal

BY_DEFAULT = 3
OTHER_PACK = gettext_noop("This face has no vector of the model pack in force yet. Try again in some minutes.")


@dataclass(frozen=True, slots=True)
class RefusedFace:
    """A face that was not enrolled. code, message: as for a refused photo."""

    face: UUID
    code: str
    message: str


def diverse_faces(faces: Sequence[SightingFace], *, gallery: Gallery, count: int = BY_DEFAULT) -> list[SightingFace]:
    """The best face, and then the good ones that differ most from those chosen before: of those that could be enrolled."""
    pack, gate = gallery.pack, gallery.quality_gate
    usable = [face for face in faces if face.vector is not None and face.pack == pack and _refusal(face, gate) is None]
    if not usable:
        return []
    vectors = np.array([face.vector for face in usable], "float32")
    quality = np.array([face.quality_score for face in usable], "float32")
    chosen = [int(quality.argmax())]
    while len(chosen) < min(count, len(usable)):
        nearest = np.linalg.norm(vectors[:, None] - vectors[chosen], axis=2).min(1)
        nearest[chosen] = -1
        chosen.append(int((nearest * quality).argmax()))
    return [usable[place] for place in chosen]


def enrol_faces(
    *, actor: Actor, identity: Identity, faces: Iterable[SightingFace], conflicts: bool = True
) -> tuple[list[FaceSample], list[RefusedFace]]:
    """Makes samples of the faces that pass the gallery's quality gate; the others are refused, each with its reason.

    conflicts: whether a face that looks more like somebody else is refused, as long as the gate is on.
    """
    pack, gate = hold_pack(identity.gallery_id), identity.gallery.quality_gate
    samples, refused = [], []
    for face in faces:
        code, values = _refusal(face, gate), {}
        if code is None and conflicts and gate != QualityGate.OFF and (other := _looks_like(face, identity, pack)):
            code, values = "identity_similarity_conflict", {"other": other.name, "name": identity.name}
        if code:
            refused.append(RefusedFace(face.pk, code, refusal(code, **values)))
        elif face.vector is None or face.pack != pack:
            refused.append(RefusedFace(face.pk, "pack_changed", OTHER_PACK))
        else:
            try:
                samples.append(add_sample(actor=actor, identity=identity, face=as_enrolled(face), pack=pack))
            except Conflict as error:
                refused.append(RefusedFace(face.pk, error.code, error.message))
    return samples, refused


def as_enrolled(face: SightingFace) -> EnrolledFace:
    """A sighting's face as an enrolment has it. Its photo is the crop itself; the box is what the margin leaves of it."""
    width, height = face.width / CROP_MARGIN, face.height / CROP_MARGIN
    return EnrolledFace(
        photo_name=f"{face.sighting.camera.name}, {face.taken_at.astimezone(face.gallery.zone):%Y-%m-%d %H:%M}",
        photo_sha256=sha256_of(face),
        photo_width=face.width,
        photo_height=face.height,
        box=[
            round((face.width - width) / 2, 1),
            round((face.height - height) / 2, 1),
            round(width, 1),
            round(height, 1),
        ],
        detection_score=face.detection_score,
        quality_score=face.quality_score,
        quality={"measures": {}, "reasons": face.reasons},
        crop_jpeg=bytes(face.jpeg),
        crop_width=face.width,
        crop_height=face.height,
        crop_landmarks=face.landmarks,
        embedding=np.array(face.vector, "float32"),
    )


def sha256_of(face: SightingFace) -> str:
    """By which a sample that was made of this face is known."""
    return hashlib.sha256(bytes(face.jpeg)).hexdigest()


def hashes_of(faces: Iterable[SightingFace]) -> Collection[str]:
    return [sha256_of(face) for face in faces]


def _refusal(face: SightingFace, gate: str) -> str | None:
    return refused_by_gate(gate, face.quality_score, face.reasons)


def _looks_like(face: SightingFace, identity: Identity, pack: str) -> Identity | None:
    return None if face.vector is None or face.pack != pack else looks_like(face.vector, identity, pack)
