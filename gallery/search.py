"""The only vector query: the people of a gallery nearest to each probe face.

A small gallery is searched exactly. One with its own HNSW index (gallery/indexing.py) is searched in two steps: the index
gives a shortlist of samples, then every sample of the shortlisted people is scored exactly, in float32. Both honour "not
X": whose nearest sample is a rejected one is not proposed; nor is who has no valid consent where the gallery requires it.
"""

from contextlib import nullcontext
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from django.db import connection, transaction
from django.utils import timezone

SHORTEST_LIST = 40  # samples
LONGEST_LIST = 1000  # pgvector's largest hnsw.ef_search; who is not found within it is searched exactly
MEAN_OF = 3  # samples
SPARE = 3  # people scored beyond those asked for, as "not X" takes some away

READY_INDEX = "SELECT ef_search FROM gallery_vectorindex WHERE gallery_id = %s AND pack = %s AND state = 'ready'"
STANDING = "identity.active AND identity.deleted_at IS NULL"
# Who may be found at all. The gallery's setting is looked up once a query; consent that has expired today counts no more.
PROPOSED = f"""{STANDING} AND (
                NOT (SELECT requires_consent FROM gallery_gallery WHERE id = {{gallery}})
                OR identity.consent = 'given'
                    AND (identity.consent_until IS NULL OR identity.consent_until >= %(today)s)
            )"""
# Whose samples are scored: everybody's, or all of those people who have one among the index's nearest vectors.
EVERYBODY = """
    SELECT identity.id AS identity_id, sample.id AS sample_id, sample.rejected, embedding.vector
    FROM gallery_faceembedding embedding
    JOIN gallery_facesample sample
        ON sample.id = embedding.sample_id AND sample.gallery_id = {gallery} AND sample.deleted_at IS NULL
    JOIN gallery_identity identity
        ON identity.id = sample.identity_id AND identity.gallery_id = {gallery} AND {proposed}
    WHERE embedding.gallery_id = {gallery} AND embedding.pack = {pack}
"""
SHORTLISTED = """
    SELECT person.id AS identity_id, mine.id AS sample_id, mine.rejected, embedding.vector FROM (
        SELECT identity.id FROM (
            SELECT near.sample_id, near.vector::halfvec({dim}) <-> probe.vector::halfvec({dim}) AS distance
            FROM gallery_faceembedding near
            WHERE near.gallery_id = {gallery} AND near.pack = {pack}
            ORDER BY near.vector::halfvec({dim}) <-> probe.vector::halfvec({dim})
            LIMIT {limit}
        ) near
        JOIN gallery_facesample sample
            ON sample.id = near.sample_id AND sample.gallery_id = {gallery} AND sample.deleted_at IS NULL
        JOIN gallery_identity identity
            ON identity.id = sample.identity_id AND identity.gallery_id = {gallery}
            AND {proposed}
        GROUP BY identity.id
        ORDER BY min(near.distance)
        LIMIT %(people)s
    ) person
    JOIN gallery_facesample mine
        ON mine.identity_id = person.id AND mine.gallery_id = {gallery} AND mine.deleted_at IS NULL
    JOIN gallery_faceembedding embedding
        ON embedding.gallery_id = {gallery} AND embedding.pack = {pack} AND embedding.sample_id = mine.id
"""
NEAREST = """
SELECT probe.number - 1, nearest.identity_id, nearest.sample_id, nearest.distance, nearest.mean_distance
FROM unnest(%(probes)s::vector[]) WITH ORDINALITY AS probe(vector, number)
CROSS JOIN LATERAL (
    SELECT identity_id, min(distance) AS distance,
        avg(distance) FILTER (WHERE NOT rejected) AS mean_distance,
        (array_agg(sample_id ORDER BY distance))[1] AS sample_id
    FROM (
        SELECT scored.*, row_number() OVER (PARTITION BY identity_id ORDER BY distance, sample_id) AS place
        FROM (
            SELECT identity_id, sample_id, rejected, vector::vector <-> probe.vector AS distance FROM ({samples}) chosen
        ) scored
    ) ranked
    WHERE place <= {mean_of}
    GROUP BY identity_id
    HAVING NOT bool_or(rejected AND place = 1)
    ORDER BY distance, identity_id
    LIMIT %(top_k)s
) nearest
ORDER BY probe.number, nearest.distance, nearest.identity_id
"""


@dataclass(frozen=True, slots=True)
class Match:
    """An identity proposed for a probe: its best sample, that sample's L2 distance, and the mean over the best three."""

    identity_id: UUID
    sample_id: UUID
    distance: float
    mean_distance: float


def nearest_identities(*, gallery_id: UUID, pack: str, probes: np.ndarray, top_k: int) -> list[list[Match]]:
    """For each probe the `top_k` nearest identities of the gallery who may be proposed, nearest first.

    probes: float32 (n, dim) of `pack`. The answer has n lists; all are empty in an empty gallery.
    """
    if not len(probes):
        return []
    with connection.cursor() as cursor:
        cursor.execute(READY_INDEX, [gallery_id, pack])
        index = cursor.fetchone()
    if index is None:
        return search_exactly(gallery_id=gallery_id, pack=pack, probes=probes, top_k=top_k)
    return search_index(gallery_id=gallery_id, pack=pack, probes=probes, top_k=top_k, ef_search=index[0])


def search_exactly(*, gallery_id: UUID, pack: str, probes: np.ndarray, top_k: int) -> list[list[Match]]:
    """Scores every sample of the gallery."""
    return _search(EVERYBODY, gallery_id=gallery_id, pack=pack, probes=probes, top_k=top_k)


def search_index(
    *, gallery_id: UUID, pack: str, probes: np.ndarray, top_k: int, ef_search: int, limit: int = 0
) -> list[list[Match]]:
    """Through the gallery's index, whose nearest `limit` samples are looked at. A probe with fewer people than asked for
    (many samples of few people, or many of them inactive) is looked at again with a longer list, and exactly in the end."""
    some = {"gallery_id": gallery_id, "pack": pack, "top_k": top_k}
    limit = limit or max(SHORTEST_LIST, 8 * top_k)
    found = _search(SHORTLISTED, probes=probes, ef_search=max(ef_search, limit), limit=limit, **some)
    short = [number for number, matches in enumerate(found) if len(matches) < top_k]
    if not short:
        return found
    if 4 * limit <= LONGEST_LIST:
        again = search_index(probes=probes[short], ef_search=ef_search, limit=4 * limit, **some)
    else:
        again = search_exactly(probes=probes[short], **some)
    for number, matches in zip(short, again, strict=True):
        found[number] = matches
    return found


def nearest_through_index(*, gallery_id: UUID, pack: str, probe: np.ndarray, ef_search: int) -> float:
    """How near the person is whom the index alone finds, whether with consent or without; to measure its recall."""
    some = {"gallery_id": gallery_id, "pack": pack, "probes": probe[None], "top_k": 1}
    [matches] = _search(
        SHORTLISTED, ef_search=max(ef_search, SHORTEST_LIST), limit=SHORTEST_LIST, proposed=STANDING, **some
    )
    return matches[0].distance if matches else np.inf


def _search(
    samples: str,
    *,
    gallery_id: UUID,
    pack: str,
    probes: np.ndarray,
    top_k: int,
    ef_search: int = 0,
    limit: int = 0,
    proposed: str = PROPOSED,
) -> list[list[Match]]:
    names = _constants(gallery_id, pack) | {"dim": probes.shape[1], "limit": limit, "mean_of": MEAN_OF}
    names["proposed"] = proposed.format(**names)
    sql = NEAREST.format(samples=samples.format(**names), **names)
    found: list[list[Match]] = [[] for _ in probes]
    with transaction.atomic() if ef_search else nullcontext(), connection.cursor() as cursor:
        if ef_search:
            _look_at(cursor, ef_search)
        values = {"probes": [_text(probe) for probe in probes], "top_k": top_k, "people": top_k + SPARE}
        cursor.execute(sql, values | {"today": timezone.localdate()})
        for number, *match in cursor:
            found[number].append(Match(*match))
    return found


def _text(probe: np.ndarray) -> str:
    return f"[{','.join(map(repr, probe.tolist()))}]"


def _look_at(cursor, ef_search: int) -> None:
    cursor.execute("SELECT set_config('hnsw.ef_search', %s, true)", [str(min(ef_search, LONGEST_LIST))])


def _constants(gallery_id: UUID, pack: str) -> dict[str, str]:
    """As constants in the text, because the planner matches a partial index's condition with nothing else."""
    quoted = pack.replace("'", "''").replace("%", "%%")
    return {"gallery": f"'{gallery_id}'::uuid", "pack": f"'{quoted}'"}
