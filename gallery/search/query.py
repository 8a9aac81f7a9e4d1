"""The only vector query: the people of a gallery nearest to each probe face.

A small gallery is searched exactly. One with its own HNSW index (gallery/search/indexing.py) is searched in two steps: the index
gives a shortlist of samples, then every sample of the shortlisted people is scored exactly, in float32. Both honour "not
X": whose nearest sample is a rejected one is not proposed; nor is who has no valid consent where the gallery requires it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from django.db.backends.utils import CursorWrapper
from django.utils import timezone
from pgvector.psycopg.vector import VectorBinaryDumper

from faceplatform.database.planned import planned_cursor, planned_once

SHORTEST_LIST = 40  # samples
LONGEST_LIST = 1000  # pgvector's largest hnsw.ef_search; who is not found within it is searched exactly
MEAN_OF = 3  # samples
SPARE = 3  # people scored beyond those asked for, as "not X" takes some away

PROBE = "%(probe)b::vector"
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
            SELECT near.sample_id, near.vector::halfvec({dim}) <-> {probe}::halfvec({dim}) AS distance
            FROM gallery_faceembedding near
            WHERE near.gallery_id = {gallery} AND near.pack = {pack}
            ORDER BY near.vector::halfvec({dim}) <-> {probe}::halfvec({dim})
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
FACES = """
    SELECT count(*) FROM gallery_facesample sample
    JOIN gallery_identity identity
        ON identity.id = sample.identity_id AND identity.gallery_id = {gallery} AND {proposed}
    WHERE sample.gallery_id = {gallery} AND sample.deleted_at IS NULL AND NOT sample.rejected
"""
NEAREST = """
SELECT identity_id, (array_agg(sample_id ORDER BY distance))[1], min(distance) AS distance,
    avg(distance) FILTER (WHERE NOT rejected)
FROM (
    SELECT scored.*, row_number() OVER (PARTITION BY identity_id ORDER BY distance, sample_id) AS place
    FROM (
        SELECT identity_id, sample_id, rejected, vector::vector <-> {probe} AS distance FROM ({samples}) chosen
    ) scored
) ranked
WHERE place <= {mean_of}
GROUP BY identity_id
HAVING NOT bool_or(rejected AND place = 1)
ORDER BY distance, identity_id
LIMIT %(top_k)s
"""
# How the statements above are planned and run: with the ef_search given, that of the gallery's index where it has one that is
# ready, or none, exactly. An exact search takes every sample of a gallery; the planner, to which the galleries of person,
# sample and vector have nothing to do with each other, expects a handful and would look each up alone.
SETTINGS = ("plan_cache_mode", "enable_nestloop", "hnsw.ef_search")
SET = """
SELECT ef_search, set_config('plan_cache_mode', 'force_generic_plan', true),
    set_config('enable_nestloop', CASE WHEN ef_search IS NULL THEN 'off' ELSE 'on' END, true),
    set_config('hnsw.ef_search', least(greatest(ef_search, %(limit)s), %(longest)s)::text, true)
FROM (SELECT nullif(coalesce(%(ef_search)s::int, (
    SELECT ef_search FROM gallery_vectorindex WHERE gallery_id = %(gallery)s AND pack = %(pack)s AND state = 'ready'
)), 0) AS ef_search) index
"""
EXACTLY = 0


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
    return _search(gallery_id, pack, probes, top_k)


def search_exactly(*, gallery_id: UUID, pack: str, probes: np.ndarray, top_k: int) -> list[list[Match]]:
    """Scores every sample of the gallery."""
    return _search(gallery_id, pack, probes, top_k, EXACTLY)


def search_index(*, gallery_id: UUID, pack: str, probes: np.ndarray, top_k: int, ef_search: int) -> list[list[Match]]:
    """Through the gallery's index. A probe with fewer people than asked for (many samples of few people, or many of them
    inactive) is looked at again with a longer list, and exactly in the end."""
    return _search(gallery_id, pack, probes, top_k, ef_search)


def distances_through_index(*, gallery_id: UUID, pack: str, probes: np.ndarray, ef_search: int) -> np.ndarray:
    """How near the person is whom the index alone finds, whether with consent or without; to measure its recall. (n,)"""
    with _Search.begun(gallery_id, pack, top_k=1, proposed=STANDING) as search:
        search.settle(SHORTEST_LIST, ef_search)
        found = search.run(SHORTLISTED, probes, SHORTEST_LIST)
    return np.array([matches[0].distance if matches else np.inf for matches in found])


def count_faces(*, gallery_id: UUID) -> int:
    """How many faces a search may find."""
    sql = FACES.format(gallery="%(gallery)s", proposed=PROPOSED.format(gallery="%(gallery)s"))
    with planned_cursor() as cursor:
        cursor.execute(sql, {"gallery": gallery_id, "today": timezone.localdate()})
        return cursor.fetchone()[0]


def _search(
    gallery_id: UUID, pack: str, probes: np.ndarray, top_k: int, ef_search: int | None = None
) -> list[list[Match]]:
    if not len(probes):
        return []
    with _Search.begun(gallery_id, pack, top_k) as search:
        return search.nearest(probes, max(SHORTEST_LIST, 8 * top_k), ef_search)


@dataclass(frozen=True, slots=True)
class _Search:
    """A search in one gallery, on a cursor of its own. limit: how many samples the index is asked for."""

    cursor: CursorWrapper
    gallery_id: UUID
    pack: str
    top_k: int
    proposed: str

    @classmethod
    @contextmanager
    def begun(cls, gallery_id: UUID, pack: str, top_k: int, proposed: str = PROPOSED) -> Iterator["_Search"]:
        with planned_once(SETTINGS) as cursor:
            cursor.adapters.register_dumper(np.ndarray, VectorBinaryDumper)
            yield cls(cursor, gallery_id, pack, top_k, proposed)

    def nearest(self, probes: np.ndarray, limit: int, ef_search: int | None) -> list[list[Match]]:
        """A list a probe. One that is shorter than asked for is looked for again, further and in the end exactly."""
        if not self.settle(limit, ef_search):
            return self.run(EVERYBODY, probes, limit)
        found = self.run(SHORTLISTED, probes, limit)
        short = [number for number, matches in enumerate(found) if len(matches) < self.top_k]
        if short:
            further = ef_search if 4 * limit <= LONGEST_LIST else EXACTLY
            for number, matches in zip(short, self.nearest(probes[short], 4 * limit, further), strict=True):
                found[number] = matches
        return found

    def settle(self, limit: int, ef_search: int | None) -> int | None:
        """Sets how to look, and tells the ef_search in force; None: exactly. See SET."""
        values: dict[str, UUID | str | int | None] = {
            "gallery": self.gallery_id, "pack": self.pack, "ef_search": ef_search, "limit": limit, "longest": LONGEST_LIST,
        }  # fmt: skip
        self.cursor.execute(SET, values)
        return self.cursor.fetchone()[0]

    def run(self, samples: str, probes: np.ndarray, limit: int) -> list[list[Match]]:
        names = {"dim": probes.shape[1], "limit": limit, "mean_of": MEAN_OF, "probe": PROBE, **self._constants()}
        names["proposed"] = self.proposed.format(**names)
        sql = NEAREST.format(samples=samples.format(**names), **names)
        values = {"top_k": self.top_k, "people": self.top_k + SPARE, "today": timezone.localdate()}
        found = []
        for probe in probes:
            self.cursor.execute(sql, values | {"probe": probe})  # type: ignore[arg-type]  # psycopg takes arrays, too
            found.append([Match(*row) for row in self.cursor])
        return found

    def _constants(self) -> dict[str, str]:
        """As constants in the text, because the planner matches a partial index's condition with nothing else."""
        quoted = self.pack.replace("'", "''").replace("%", "%%")
        return {"gallery": f"'{self.gallery_id}'::uuid", "pack": f"'{quoted}'"}
