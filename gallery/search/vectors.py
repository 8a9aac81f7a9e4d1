"""Reads and writes a gallery's vectors as NumPy arrays, in blocks, so that a million of them need little memory."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from django.db import connection

from faceplatform.database.binary_copy import UUID as UUID_TYPE
from faceplatform.database.binary_copy import halfvec, read_blocks, write_rows

BLOCK = 20_000
PROBES_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class VectorBlock:
    """samples, identities: UUIDs as V16 (n,). vectors: float32 (n, dim)."""

    samples: np.ndarray
    identities: np.ndarray
    vectors: np.ndarray


def dimension_of(*, gallery_id: UUID, pack: str) -> int | None:
    """The dimension of the gallery's vectors of this pack; None if there are none."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT vector_dims(vector) FROM gallery_faceembedding WHERE gallery_id = %s AND pack = %s LIMIT 1",
            [gallery_id, pack],
        )
        row = cursor.fetchone()
    return row[0] if row else None


def enrolled_vectors(
    *, gallery_id: UUID, pack: str, block: int = BLOCK, rejected: bool = False
) -> Iterator[VectorBlock]:
    """The vectors of active people's samples, without the rejected ones; with `rejected`, of the rejected ones only."""
    dim = dimension_of(gallery_id=gallery_id, pack=pack)
    if dim is None:
        return
    columns = {"sample": UUID_TYPE, "identity": UUID_TYPE, "vector": halfvec(dim)}
    with connection.cursor() as cursor:
        query = cursor.mogrify(ENROLLED, {"gallery": gallery_id, "pack": pack, "rejected": rejected})
        for rows in read_blocks(cursor, query, columns, block=block):
            yield VectorBlock(rows["sample"], rows["identity"], rows["vector"]["values"].astype("float32"))


def add_vectors(*, gallery_id: UUID, pack: str, samples: np.ndarray, vectors: np.ndarray) -> None:
    """Adds an embedding for each sample. samples: UUIDs as V16 (n,); vectors: float32 (n, dim)."""
    n, dim = vectors.shape
    packed = np.zeros(n, halfvec(dim))
    packed["dim"], packed["values"] = dim, vectors
    columns = {
        "gallery_id": np.full(n, np.void(gallery_id.bytes), UUID_TYPE),
        "pack": np.full(n, np.void(pack.encode()), f"V{len(pack.encode())}"),
        "sample_id": samples,
        "vector": packed,
    }
    with connection.cursor() as cursor:
        write_rows(cursor, "gallery_faceembedding", columns)


def nearest_distances(*, gallery_id: UUID, pack: str, probes: np.ndarray) -> np.ndarray:
    """The exact L2 distance from each probe (n, dim) to the nearest vector. float32 (n,)."""
    best = np.full(len(probes), np.inf, "float32")  # squared distance minus the probe's squared length
    for block in enrolled_vectors(gallery_id=gallery_id, pack=pack):
        squares = (block.vectors**2).sum(1)
        for some in np.array_split(np.arange(len(probes)), math.ceil(len(probes) / PROBES_AT_ONCE) or 1):
            products = probes[some] @ block.vectors.T
            products *= -2
            products += squares
            best[some] = np.minimum(best[some], products.min(1))
    return np.sqrt(np.maximum(best + (probes**2).sum(1), 0))


ENROLLED = """
    SELECT embedding.sample_id, sample.identity_id, embedding.vector FROM gallery_faceembedding embedding
    JOIN gallery_facesample sample ON sample.id = embedding.sample_id AND sample.gallery_id = %(gallery)s
        AND sample.deleted_at IS NULL AND sample.rejected = %(rejected)s
    JOIN gallery_identity identity ON identity.id = sample.identity_id AND identity.gallery_id = %(gallery)s
        AND identity.active AND identity.deleted_at IS NULL
    WHERE embedding.gallery_id = %(gallery)s AND embedding.pack = %(pack)s
"""
