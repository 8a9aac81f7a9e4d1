"""A camera's picture for the pages, with boxes and "name score" drawn into it."""

from datetime import datetime
from typing import Any
from uuid import UUID

import cv2
import numpy as np
from django.db import connection

from gallery.models import Identity
from recognition.cameras.channels import FRAMES
from recognition.cameras.models import Camera
from recognition.engine.annotate import annotate
from recognition.engine.base import Box
from recognition.engine.manifest import Manifest
from recognition.photos.labels import COLOURS
from recognition.tracking.watch import Shown
from recognition.video.frame import fitting

LONG_SIDE = 960  # px
QUALITY = 75
UNDECIDED = "#475569"
WRITE = """
INSERT INTO cameras_liveframe (camera_id, gallery_id, seq, taken_at, width, height, jpeg)
VALUES (%(camera)s, %(gallery)s, 1, %(taken_at)s, %(width)s, %(height)s, %(jpeg)s)
ON CONFLICT (camera_id) DO UPDATE SET seq = cameras_liveframe.seq + 1, taken_at = excluded.taken_at,
    width = excluded.width, height = excluded.height, jpeg = excluded.jpeg
"""


class Labels:
    """What stands at a face. Names are looked up once, and again after `forget`."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._names: dict[UUID, str] = {}

    def forget(self) -> None:
        self._names = {}

    def of(self, face: Shown) -> tuple[str, str]:
        """Text and colour."""
        verdict = face.verdict
        if verdict is None:
            return "", UNDECIDED
        if verdict.identity_id is None or verdict.distance is None:
            return verdict.decision, COLOURS[verdict.decision]
        score = self._manifest.score(verdict.distance, verdict.threshold)
        return f"{self._name(verdict.identity_id)} {score:.2f}", COLOURS["known"]

    def _name(self, identity_id: UUID) -> str:
        if identity_id not in self._names:
            row = Identity.with_deleted.filter(pk=identity_id).values_list("name", flat=True).first()
            self._names[identity_id] = row or "?"
        return self._names[identity_id]


def draw(bgr: np.ndarray, shown: list[Shown], labels: Labels) -> tuple[bytes, int, int]:
    """JPEG, width and height, px. shown: in px of `bgr`."""
    height, width = bgr.shape[:2]
    size = fitting(width, height, LONG_SIDE)
    small = bgr if size == (width, height) else cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)
    scale = size[0] / width
    faces = [(Box(*(value * scale for value in face.box)), *labels.of(face)) for face in shown]
    return annotate(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), faces, quality=QUALITY), *size


def publish(camera: Camera, picture: tuple[bytes, int, int], taken_at: datetime) -> None:
    """Replaces the camera's picture and wakes who watches it. Raises IntegrityError if the camera is gone."""
    jpeg, width, height = picture
    values: dict[str, Any] = {
        "camera": camera.pk, "gallery": camera.gallery_id, "taken_at": taken_at, "width": width, "height": height,
        "jpeg": jpeg,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(WRITE, values)
        cursor.execute("SELECT pg_notify(%s, %s)", [FRAMES, str(camera.pk)])


def tidy() -> None:
    """The replaced pictures' room is used again; every ten seconds, so that the table stays small."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (TRUNCATE false) cameras_liveframe, cameras_incomingframe")
