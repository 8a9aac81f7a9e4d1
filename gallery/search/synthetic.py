"""Galleries of synthetic vectors, of any size, for measuring the search.

Vectors cluster by person as real embeddings do. A person's centre is a Gaussian vector; a sample is the centre plus a
Gaussian vector of the same spectrum, SPREAD times as long; all are scaled to unit length. The spectrum (the standard
deviation along principal component n, counted from 0) falls as exp(-n / (3.4 sqrt(dim))). Both were fitted to the vectors
that dlib's ResNet and MobileFaceNet (128 dimensions) give for 400 portraits of 40 people: relative to the first component,
0.8, 0.66, 0.43 and 0.2 at n = 8, 16, 32 and 64; two samples of one person lie 0.39 times as far apart as samples of two
people. For 512 dimensions the same spectrum is an assumption.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

import numpy as np
import uuid6
from django.conf import settings
from django.db import connection, transaction

from faceplatform.database.binary_copy import UUID as UUID_TYPE
from faceplatform.database.binary_copy import constant, write_rows
from gallery.models import Gallery
from gallery.search.indexing import analyze
from gallery.search.vectors import add_vectors

SPREAD = 0.42
SAMPLES_PER_PERSON = 5
PEOPLE_PER_BLOCK = 2_000


@dataclass(frozen=True, slots=True)
class SyntheticGallery:
    """A gallery of `people` people, to be filled by `fill`; `probes` gives unseen vectors of the people in it."""

    gallery: Gallery
    dim: int
    people: int

    def probes(self, count: int) -> np.ndarray:
        """New vectors of people drawn from the first block, float32 (count, dim)."""
        centres = _centres(self.dim, 0, min(self.people, PEOPLE_PER_BLOCK))
        random = np.random.default_rng(99)
        return _samples_around(centres[random.integers(len(centres), size=count)], random)


def create_synthetic_gallery(*, rows: int, dim: int) -> SyntheticGallery:
    """Creates an empty gallery, to be filled by `fill`."""
    people = max(1, rows // SAMPLES_PER_PERSON)
    slug = f"bench-{dim}-{rows}-{uuid6.uuid7().hex[-8:]}"
    gallery = Gallery.objects.create(slug=slug, name=f"Benchmark, {rows} x {dim}", pack=settings.DEFAULT_PACK)
    return SyntheticGallery(gallery, dim, people)


def fill(synthetic: SyntheticGallery) -> Iterator[np.ndarray]:
    """Loads people, samples and vectors by COPY, one transaction per block. Yields each block's vectors, float32 (n, dim).

    Analyses the tables as they grow, as autovacuum does in a slower load; otherwise PostgreSQL, taking them for small,
    would check foreign keys by scanning them.
    """
    for number, first in enumerate(range(0, synthetic.people, PEOPLE_PER_BLOCK)):
        centres = _centres(synthetic.dim, first, min(PEOPLE_PER_BLOCK, synthetic.people - first))
        vectors = _samples_around(np.repeat(centres, SAMPLES_PER_PERSON, axis=0), np.random.default_rng([first, 2]))
        with transaction.atomic():
            samples = _add_people(synthetic.gallery.pk, len(centres))
            add_vectors(gallery_id=synthetic.gallery.pk, pack=synthetic.gallery.pack, samples=samples, vectors=vectors)
        if number & (number - 1) == 0:
            with connection.cursor() as cursor:
                analyze(cursor)
        yield vectors


def remove_synthetic_gallery(gallery: Gallery) -> None:
    """Deletes the gallery without Django's cascade, which would load every row."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in ("gallery_faceembedding", "gallery_facesample"):
            cursor.execute(f"DELETE FROM {table} WHERE gallery_id = %s", [gallery.pk])
        cursor.execute("DELETE FROM gallery_identity WHERE gallery_id = %s", [gallery.pk])
        cursor.execute("DELETE FROM gallery_identityhistory WHERE gallery_id = %s", [gallery.pk])
    gallery.delete()


def _add_people(gallery_id: UUID, people: int) -> np.ndarray:
    """Adds `people` identities with SAMPLES_PER_PERSON samples each. Returns the samples' ids, V16 (n,)."""
    identities, samples = _ids(people), _ids(people * SAMPLES_PER_PERSON)
    with connection.cursor() as cursor:
        columns = {
            "id": identities,
            "gallery_id": _repeat_uuid(gallery_id, people),
            "name": constant(b"Somebody", people),
        }
        columns |= {name: constant(b"", people) for name in ("external_id", "department", "position")}
        columns |= {"active": constant(True, people), "hidden": constant(False, people)}
        columns |= {"metadata": constant(b"\x01{}", people), "updated_at": np.zeros(people, ">i8")}
        write_rows(cursor, "gallery_identity", columns)
        n = len(samples)
        columns = {"id": samples, "gallery_id": _repeat_uuid(gallery_id, n)}
        columns |= {"identity_id": np.repeat(identities, SAMPLES_PER_PERSON), "photo_sha256": _hashes(samples)}
        columns |= {"photo_name": constant(b"", n), "box": constant(b"\x01[0, 0, 1, 1]", n)}
        columns |= {name: constant(100, n) for name in ("photo_width", "photo_height")}
        columns |= {name: constant(0.9, n) for name in ("detection_score", "quality_score")}
        columns |= {"quality": constant(b'\x01{"measures": {}, "reasons": []}', n), "rejected": constant(False, n)}
        write_rows(cursor, "gallery_facesample", columns)
    return samples


def _ids(count: int) -> np.ndarray:
    """Version 7 UUIDs in ascending order, like those of `uuid7`. V16 (count,)."""
    start = uuid6.uuid7().int >> 80  # milliseconds
    raw = np.frombuffer(np.random.default_rng().bytes(16 * count), "u1").reshape(count, 16).copy()
    times = (start + np.arange(count) // 4096).astype(">u8").view("u1").reshape(count, 8)
    raw[:, :6] = times[:, 2:]
    order = (np.arange(count) % 4096).astype(">u2").view("u1").reshape(count, 2)
    raw[:, 6:8] = order
    raw[:, 6] |= 0x70
    raw[:, 8] = raw[:, 8] & 0x3F | 0x80
    return raw.reshape(-1).view(UUID_TYPE)


def _repeat_uuid(key: UUID, count: int) -> np.ndarray:
    return np.full(count, np.void(key.bytes), UUID_TYPE)


def _hashes(ids: np.ndarray) -> np.ndarray:
    """A text of 64 characters for each id."""
    return np.array([key.tobytes().hex() * 2 for key in ids], "S64").view("V64")


def _centres(dim: int, first: int, count: int) -> np.ndarray:
    return np.random.default_rng([first, 1]).normal(size=(count, dim)) * _spectrum(dim)


def _samples_around(centres: np.ndarray, random: np.random.Generator) -> np.ndarray:
    views = centres + SPREAD * random.normal(size=centres.shape) * _spectrum(centres.shape[1])
    return (views / np.linalg.norm(views, axis=1, keepdims=True)).astype("float32")


def _spectrum(dim: int) -> np.ndarray:
    spectrum = np.exp(-np.arange(dim) / (3.4 * np.sqrt(dim)))
    return spectrum / np.linalg.norm(spectrum)
