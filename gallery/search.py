"""The only vector query: the people of a gallery nearest to each probe face."""

from dataclasses import dataclass
from uuid import UUID

import numpy as np
from django.db import connection
from pgvector import Vector

# Exact, through the primary key's b-tree on (gallery, pack): every sample of the gallery is scored in float32,
# the best sample stands for its person.
NEAREST = """
SELECT probe.number - 1, nearest.identity_id, nearest.sample_id, nearest.distance
FROM unnest(%(probes)s::text[]) WITH ORDINALITY AS probe(vector, number)
CROSS JOIN LATERAL (
    SELECT best.* FROM (
        SELECT DISTINCT ON (identity.id)
            identity.id AS identity_id, sample.id AS sample_id,
            embedding.vector::vector <-> probe.vector::vector AS distance
        FROM gallery_faceembedding embedding
        JOIN gallery_facesample sample ON sample.id = embedding.sample_id
        JOIN gallery_identity identity ON identity.id = sample.identity_id
        WHERE embedding.gallery_id = %(gallery)s AND embedding.pack = %(pack)s AND identity.active
        ORDER BY identity.id, distance
    ) best
    ORDER BY best.distance, best.identity_id
    LIMIT %(top_k)s
) nearest
ORDER BY probe.number, nearest.distance, nearest.identity_id
"""


@dataclass(frozen=True, slots=True)
class Match:
    """An identity proposed for a probe: its best sample and that sample's L2 distance."""

    identity_id: UUID
    sample_id: UUID
    distance: float


def nearest_identities(*, gallery_id: UUID, pack: str, probes: np.ndarray, top_k: int) -> list[list[Match]]:
    """For each probe the `top_k` nearest active identities of the gallery, nearest first.

    probes: float32 (n, dim) of `pack`. The answer has n lists; all are empty in an empty gallery.
    """
    found: list[list[Match]] = [[] for _ in probes]
    if not found:
        return found
    texts = [Vector(probe).to_text() for probe in probes]
    with connection.cursor() as cursor:
        cursor.execute(NEAREST, {"probes": texts, "gallery": gallery_id, "pack": pack, "top_k": top_k})
        for number, identity_id, sample_id, distance in cursor:
            found[number].append(Match(identity_id, sample_id, distance))
    return found
