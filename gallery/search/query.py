"""The vector search: the people in a gallery who are nearest to each probe face.

A small gallery is searched exactly. One with its own HNSW index (gallery/search/indexing.py) is searched in two steps: the
index gives a shortlist of samples, then every sample of the shortlisted people is scored exactly, in float32. Neither
proposes a person whose nearest sample is a rejected one ("not X"), or who lacks valid consent in a gallery that requires it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from django.db.backends.utils import CursorWrapper
from pgvector.psycopg.vector import VectorBinaryDumper

from faceplatform.database.planned import planned_cursor, planned_once
from faceplatform.dates import server_today

SHORTEST_LIST = 40  # samples to ask the index for
LONGEST_LIST = 1000  # samples; pgvector's largest hnsw.ef_search. If it is not enough, the search is exact
MEAN_OF = 3  # nearest samples of a person
SPARE = 3  # extra people to score, since "not X" removes some

PROBE = "%(probe)b::vector"
ACTIVE = "identity.active AND identity.deleted_at IS NULL"
# Who may be proposed. The gallery's setting is looked up once per query. Consent is valid up to and including its last day.
ELIGIBLE = f"""{ACTIVE} AND (
                NOT (SELECT requires_consent FROM gallery_gallery WHERE id = {{gallery}})
                OR identity.consent = 'given'
                    AND (identity.consent_until IS NULL OR identity.consent_until >= %(today)s)
            )"""
# The samples to score: all in the gallery, or all of the people who have one among the vectors nearest by the index.
ALL_SAMPLES = """
    SELECT identity.id AS identity_id, sample.id AS sample_id, sample.rejected, embedding.vector
    FROM gallery_faceembedding embedding
    JOIN gallery_facesample sample
        ON sample.id = embedding.sample_id AND sample.gallery_id = {gallery} AND sample.deleted_at IS NULL
    JOIN gallery_identity identity
        ON identity.id = sample.identity_id AND identity.gallery_id = {gallery} AND {eligible}
    WHERE embedding.gallery_id = {gallery} AND embedding.pack = {pack}
"""
SHORTLISTED_SAMPLES = """
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
            AND {eligible}
        GROUP BY identity.id
        ORDER BY min(near.distance)
        LIMIT %(people)s
    ) person
    JOIN gallery_facesample mine
        ON mine.identity_id = person.id AND mine.gallery_id = {gallery} AND mine.deleted_at IS NULL
    JOIN gallery_faceembedding embedding
        ON embedding.gallery_id = {gallery} AND embedding.pack = {pack} AND embedding.sample_id = mine.id
"""
COUNT_FACES = """
    SELECT count(*) FROM gallery_facesample sample
    JOIN gallery_identity identity
        ON identity.id = sample.identity_id AND identity.gallery_id = {gallery} AND {eligible}
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
# SET_PLAN sets how the statements above are planned and run, and returns the ef_search to use: the one given, or else that of the
# gallery's index if it is ready; NULL means exact. An exact search reads every sample of the gallery, but the planner takes
# the gallery columns of person, sample and vector for independent, expects a handful of rows and would loop over each.
SETTINGS = ("plan_cache_mode", "enable_nestloop", "hnsw.ef_search")
SET_PLAN = """
SELECT ef_search, set_config('plan_cache_mode', 'force_generic_plan', true),
    set_config('enable_nestloop', CASE WHEN ef_search IS NULL THEN 'off' ELSE 'on' END, true),
    set_config('hnsw.ef_search', least(greatest(ef_search, %(limit)s), %(longest)s)::text, true)
FROM (SELECT nullif(coalesce(%(ef_search)s::int, (
    SELECT ef_search FROM gallery_vectorindex WHERE gallery_id = %(gallery)s AND pack = %(pack)s AND state = 'ready'
)), 0) AS ef_search) index
"""
EXACTLY = 0  # as ef_search: do not use the index


@dataclass(frozen=True, slots=True)
class Match:
    """An identity proposed for a probe: its nearest sample, that sample's L2 distance, and the mean over the nearest three."""

    identity_id: UUID
    sample_id: UUID
    distance: float
    mean_distance: float


def nearest_identities(*, gallery_id: UUID, pack: str, probes: np.ndarray, top_k: int) -> list[list[Match]]:
    """For each probe, the `top_k` nearest identities in the gallery who may be proposed, nearest first.

    probes: float32 (n, dim), embeddings of `pack`. Returns n lists, which are empty in an empty gallery.
    """
    return _search(gallery_id, pack, probes, top_k)


def search_exactly(*, gallery_id: UUID, pack: str, probes: np.ndarray, top_k: int) -> list[list[Match]]:
    """As `nearest_identities`, but scores every sample in the gallery."""
    return _search(gallery_id, pack, probes, top_k, EXACTLY)


def search_index(*, gallery_id: UUID, pack: str, probes: np.ndarray, top_k: int, ef_search: int) -> list[list[Match]]:
    """As `nearest_identities`, but with the gallery's index and this ef_search.

    If a probe gets fewer people than asked for (because the nearest samples are of few people, or of inactive ones), it is
    searched again with longer shortlists, and in the end exactly.
    """
    return _search(gallery_id, pack, probes, top_k, ef_search)


def distances_through_index(*, gallery_id: UUID, pack: str, probes: np.ndarray, ef_search: int) -> np.ndarray:
    """Distance from each probe to the nearest person found by the index alone, consenting or not; inf if none. float64 (n,)."""
    with _Search.open(gallery_id, pack, top_k=1, eligible=ACTIVE) as search:
        search.set_plan(SHORTEST_LIST, ef_search)
        found = search.query(SHORTLISTED_SAMPLES, probes, SHORTEST_LIST)
    return np.array([matches[0].distance if matches else np.inf for matches in found])


def count_faces(*, gallery_id: UUID) -> int:
    """How many enrolled faces in the gallery belong to people who may be proposed."""
    sql = COUNT_FACES.format(gallery="%(gallery)s", eligible=ELIGIBLE.format(gallery="%(gallery)s"))
    with planned_cursor() as cursor:
        cursor.execute(sql, {"gallery": gallery_id, "today": server_today()})
        return cursor.fetchone()[0]


def _search(
    gallery_id: UUID, pack: str, probes: np.ndarray, top_k: int, ef_search: int | None = None
) -> list[list[Match]]:
    if not len(probes):
        return []
    with _Search.open(gallery_id, pack, top_k) as search:
        return search.nearest(probes, max(SHORTEST_LIST, 8 * top_k), ef_search)


@dataclass(frozen=True, slots=True)
class _Search:
    """A search in one gallery, on its own cursor. limit: how many samples the index is asked for."""

    cursor: CursorWrapper
    gallery_id: UUID
    pack: str
    top_k: int
    eligible: str

    @classmethod
    @contextmanager
    def open(cls, gallery_id: UUID, pack: str, top_k: int, eligible: str = ELIGIBLE) -> Iterator["_Search"]:
        with planned_once(SETTINGS) as cursor:
            cursor.adapters.register_dumper(np.ndarray, VectorBinaryDumper)
            yield cls(cursor, gallery_id, pack, top_k, eligible)

    def nearest(self, probes: np.ndarray, limit: int, ef_search: int | None) -> list[list[Match]]:
        """A list per probe. Probes with too few people are searched again with a longer shortlist, and in the end exactly."""
        if not self.set_plan(limit, ef_search):
            return self.query(ALL_SAMPLES, probes, limit)
        found = self.query(SHORTLISTED_SAMPLES, probes, limit)
        incomplete = [number for number, matches in enumerate(found) if len(matches) < self.top_k]
        if incomplete:
            further = ef_search if 4 * limit <= LONGEST_LIST else EXACTLY
            for number, matches in zip(incomplete, self.nearest(probes[incomplete], 4 * limit, further), strict=True):
                found[number] = matches
        return found

    def set_plan(self, limit: int, ef_search: int | None) -> int | None:
        """Runs SET_PLAN. Returns the ef_search to be used, None for an exact search."""
        values: dict[str, UUID | str | int | None] = {
            "gallery": self.gallery_id, "pack": self.pack, "ef_search": ef_search, "limit": limit, "longest": LONGEST_LIST,
        }  # fmt: skip
        self.cursor.execute(SET_PLAN, values)
        return self.cursor.fetchone()[0]

    def query(self, samples: str, probes: np.ndarray, limit: int) -> list[list[Match]]:
        names = {"dim": probes.shape[1], "limit": limit, "mean_of": MEAN_OF, "probe": PROBE, **self._constants()}
        names["eligible"] = self.eligible.format(**names)
        sql = NEAREST.format(samples=samples.format(**names), **names)
        values = {"top_k": self.top_k, "people": self.top_k + SPARE, "today": server_today()}
        found = []
        for probe in probes:
            self.cursor.execute(sql, values | {"probe": probe})  # type: ignore[arg-type]  # psycopg also adapts arrays
            found.append([Match(*row) for row in self.cursor])
        return found

    def _constants(self) -> dict[str, str]:
        """Gallery and pack as literals: the planner uses a partial index only if it sees the values of its condition."""
        quoted = self.pack.replace("'", "''").replace("%", "%%")
        return {"gallery": f"'{self.gallery_id}'::uuid", "pack": f"'{quoted}'"}
