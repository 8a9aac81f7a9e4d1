"""A gallery's enrolled faces, ready to be compared with each other."""

from dataclasses import dataclass
from uuid import UUID

import numpy as np

from gallery.models import Gallery
from gallery.search.vectors import enrolled_vectors
from recognition.lab.evaluation.neighbours import Faces


@dataclass(frozen=True, slots=True)
class EnrolledFaces:
    """samples: UUIDs as S16 (n,), in the order of `faces`, whose names are the people's."""

    faces: Faces
    samples: np.ndarray

    def sample(self, face: int | None) -> UUID | None:
        return None if face is None else _uuid(self.samples[face])

    def person(self, number: int | None) -> UUID | None:
        return None if number is None else _uuid(self.faces.names[number])


def load_faces(gallery: Gallery) -> EnrolledFaces | None:
    """All enrolled faces of active people under the pack in force; None where there are none."""
    blocks = list(enrolled_vectors(gallery_id=gallery.pk, pack=gallery.pack))
    if not blocks:
        return None
    people = np.concatenate([sortable(block.identities) for block in blocks])
    samples = np.concatenate([sortable(block.samples) for block in blocks])
    faces = Faces(people, np.concatenate([block.vectors for block in blocks]))
    return EnrolledFaces(faces, samples[faces.order])


def sortable(ids: np.ndarray) -> np.ndarray:
    """UUIDs as V16 → S16, which NumPy can sort."""
    return np.ascontiguousarray(ids).view("S16")


def _uuid(key: bytes) -> UUID:
    """S16 drops noughts at the end."""
    return UUID(bytes=bytes(key).ljust(16, b"\0"))
