"""Loads a gallery's enrolled faces so that they can be compared with each other."""

from dataclasses import dataclass
from uuid import UUID

import numpy as np

from gallery.models import Gallery
from gallery.search.vectors import enrolled_vectors
from recognition.lab.evaluation.neighbours import Faces


@dataclass(frozen=True, slots=True)
class EnrolledFaces:
    """faces: their labels are the people's UUIDs as S16. samples: S16 (n,), each face's UUID, in the order of `faces`."""

    faces: Faces
    samples: np.ndarray

    def sample_id(self, face: int | None) -> UUID | None:
        """face: its position in `faces`."""
        return None if face is None else _uuid(self.samples[face])

    def person_id(self, person: int) -> UUID:
        """person: its number in `faces.names`."""
        return _uuid(self.faces.names[person])


def load_faces(gallery: Gallery) -> EnrolledFaces | None:
    """All enrolled faces of active people, embedded by the gallery's pack; None if there are none."""
    blocks = list(enrolled_vectors(gallery_id=gallery.pk, pack=gallery.pack))
    if not blocks:
        return None
    people = np.concatenate([sortable(block.identities) for block in blocks])
    samples = np.concatenate([sortable(block.samples) for block in blocks])
    faces = Faces(people, np.concatenate([block.vectors for block in blocks]))
    return EnrolledFaces(faces, samples[faces.order])


def sortable(ids: np.ndarray) -> np.ndarray:
    """Converts UUIDs (n,) from V16 to S16, which NumPy can sort."""
    return np.ascontiguousarray(ids).view("S16")


def _uuid(key: bytes) -> UUID:
    """Pads the key, because NumPy drops trailing zero bytes of S16 values."""
    return UUID(bytes=bytes(key).ljust(16, b"\0"))
