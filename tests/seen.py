"""Sightings for tests, as a camera worker writes them: with faces, vectors and, if unknown, an unknown person."""

import hashlib
import io
from datetime import datetime, timedelta

import numpy as np
import uuid6
from django.utils import timezone
from factories import CameraFactory
from PIL import Image

from recognition.cameras.models import Camera, Sighting, SightingEmbedding, SightingFace
from recognition.sightings.unknown_people import join

THRESHOLD = 0.6
LANDMARKS = [[36, 40], [64, 40], [50, 56], [38, 70], [62, 70]]


def camera_of(gallery) -> Camera:
    """The gallery's camera, made if there is none."""
    camera = Camera.objects.filter(gallery=gallery).first()
    if camera is None:
        camera = CameraFactory(gallery=gallery)
    return camera


def open_sighting(gallery, *, threshold: float | None = THRESHOLD, at: datetime | None = None, **fields) -> Sighting:
    """A sighting that is not written yet."""
    at = at or timezone.now() - timedelta(hours=3)
    camera = fields.pop("camera", None) or camera_of(gallery)
    values = {"decision": "unknown", "frames": 5, "pack": gallery.pack, "distance": 0.9, "closed": True} | fields
    return Sighting(
        gallery=gallery, camera=camera, track=uuid6.uuid7(), threshold=threshold, first_seen=at,
        last_seen=at + timedelta(seconds=10), **values,
    )  # fmt: skip


def sight(gallery, vector, *, later: float = 0, faces: int = 3, crops=(), identity=None, **fields) -> Sighting:
    """Writes one. vector: the mean, and that of each face. crops: (jpeg, landmarks); drawn ones if there are none."""
    fields["at"] = fields.get("at") or timezone.now() - timedelta(hours=3) + timedelta(seconds=later)
    if identity is not None:
        fields |= {"decision": "known", "identity": identity, "distance": 0.3}
    sighting = open_sighting(gallery, **fields)
    if sighting.decision == "unknown":
        join(sighting=sighting, vector=vector, forbidden=())
    sighting.save()
    if sighting.decision != "unusable":
        SightingEmbedding.objects.create(gallery=gallery, pack=sighting.pack, sighting=sighting, vector=list(vector))
    for rank in range(faces):
        jpeg, landmarks = crops[rank] if crops else (drawn(), LANDMARKS)
        add_face(sighting, rank, jpeg, landmarks, vector)
    return sighting


def sight_photo(gallery, pipeline, photo: bytes, **fields) -> Sighting:
    """Writes one of the one face in a photo, as the pipeline's pack sees it."""
    [analysis] = pipeline.analyse([photo], purposes=["probe"])
    [face] = analysis.faces
    crops = [(face.crop.jpeg, face.crop.landmarks.tolist())]
    return sight(gallery, face.embedding, faces=1, crops=crops, **fields)


def add_face(sighting, rank, jpeg, landmarks, vector, **fields) -> SightingFace:
    with Image.open(io.BytesIO(jpeg)) as image:
        width, height = image.size
    values = {"detection_score": 0.95, "quality_score": 0.9 - rank / 100, "taken_at": sighting.first_seen} | fields
    return SightingFace.objects.create(
        gallery=sighting.gallery, sighting=sighting, rank=rank, jpeg=jpeg, width=width, height=height,
        landmarks=landmarks, pack=sighting.pack, vector=list(vector), **values,
    )  # fmt: skip


_drawn = 0


def drawn() -> bytes:
    """A picture that is not the same as any before."""
    global _drawn
    _drawn += 1
    shades = np.frombuffer(hashlib.sha256(str(_drawn).encode()).digest(), "uint8").reshape(4, 8)
    out = io.BytesIO()
    Image.fromarray(shades).resize((100, 100)).convert("RGB").save(out, "JPEG")
    return out.getvalue()


def near(vector: np.ndarray, distance: float, axis: int = 1) -> np.ndarray:
    """A unit vector at that distance from a unit vector, turned towards an axis."""
    other = np.zeros_like(vector)
    other[axis] = 1
    cosine = 1 - distance**2 / 2
    return (cosine * vector + np.sqrt(1 - cosine**2) * other).astype("float32")
