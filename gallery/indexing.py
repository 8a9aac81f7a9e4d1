"""Each large gallery's own HNSW index: built, tuned and dropped by a job, while searches go on.

One index over all galleries would lose recall wherever a search asks for one gallery only. CONCURRENTLY keeps reads and
writes going; a build that was broken off leaves an invalid index behind, which is dropped at the next run.
"""

import logging
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import numpy as np
from django.conf import settings
from django.db import OperationalError, connection
from django.utils import timezone

from gallery.models import VectorIndex
from gallery.search import nearest_through_index
from gallery.vectors import VectorBlock, dimension_of, enrolled_vectors, nearest_distances

logger = logging.getLogger(__name__)
BUILD_FROM = 2_000  # vectors; an exact search of so many takes about 2 ms
DROP_BELOW = 1_000
EF_SEARCH = (40, 64, 100, 160, 250, 400, 640, 1000)
WANTED_RECALL = 0.99
PROBES = 500
LOCK = 0x5EA4C4  # one maintenance at a time, on any machine

State = VectorIndex.State


def maintain_indexes() -> list[VectorIndex]:
    """Builds what is missing, drops what is no longer needed. Returns those built; nothing where another run is at it."""
    with _alone() as alone:
        if not alone:
            return []
        _forget_broken()
        for index in VectorIndex.objects.filter(state=State.READY):
            if _rows(index.gallery_id, index.pack) < DROP_BELOW:
                drop_index(index)
        return [build_index(gallery_id=gallery, pack=pack) for gallery, pack in _large_without_index()]


def build_index(*, gallery_id: UUID, pack: str) -> VectorIndex:
    """Builds a gallery's index and finds the ef_search it needs; searches use it from then on."""
    dim = dimension_of(gallery_id=gallery_id, pack=pack)
    rows = _rows(gallery_id, pack)
    name = f"face_hnsw_{gallery_id.hex}_{zlib.crc32(pack.encode()):08x}"
    index = VectorIndex.objects.create(gallery_id=gallery_id, pack=pack, name=name, rows=rows)
    started = time.monotonic()
    with connection.cursor() as cursor:
        condition = cursor.mogrify("gallery_id = %s AND pack = %s", [gallery_id, pack])
        sql = (
            f'CREATE INDEX CONCURRENTLY "{name}" ON gallery_faceembedding '
            f"USING hnsw ((vector::halfvec({dim})) halfvec_l2_ops) WHERE {condition}"
        )
        with _memory(cursor, rows, dim):
            _execute_build(cursor, sql, name)
        analyze(cursor)
        cursor.execute("SELECT pg_relation_size(%s::regclass)", [f'"{name}"'])
        index.size_bytes = cursor.fetchone()[0]
    index.build_seconds = time.monotonic() - started
    index.built_at = timezone.now()
    tune_index(index)
    logger.info("built %s: %s rows in %.0f s, recall %.3f", name, rows, index.build_seconds, index.recall)
    return index


def tune_index(index: VectorIndex, *, probes: int = PROBES) -> VectorIndex:
    """Measures recall@1 on the gallery's own vectors and takes the smallest ef_search that reaches WANTED_RECALL."""
    for ef, recall, count in measure_recall(gallery_id=index.gallery_id, pack=index.pack, probes=probes):
        index.ef_search, index.recall, index.recall_probes = ef, recall, count
        if recall >= WANTED_RECALL:
            break
    index.state = State.READY
    index.save()
    return index


def measure_recall(*, gallery_id: UUID, pack: str, probes: int = PROBES) -> Iterator[tuple[int, float, int]]:
    """For each ef_search, rising: (ef_search, recall@1, probes). Exact answers come from NumPy, in blocks.

    A probe is a sample's vector moved as far as two samples of one person lie apart: a view of the person yet unseen. It
    counts as found where the nearest face of the person found is as near as the nearest of all, to 1e-3: vectors are stored
    in half precision.
    """
    views = _new_views(gallery_id, pack, probes)
    exact = nearest_distances(gallery_id=gallery_id, pack=pack, probes=views)
    for ef in EF_SEARCH:
        found = [nearest_through_index(gallery_id=gallery_id, pack=pack, probe=view, ef_search=ef) for view in views]
        yield ef, float((np.array(found) <= exact + 1e-3).mean()), len(views)


def analyze(cursor) -> None:
    """Tells the planner how large the tables have become; without it a search after a large import takes a bad plan."""
    cursor.execute("ANALYZE gallery_faceembedding, gallery_facesample, gallery_identity")


def drop_index(index: VectorIndex) -> None:
    """Searches are exact from now on."""
    VectorIndex.objects.filter(pk=index.pk).update(state=State.DROPPING)
    with connection.cursor() as cursor:
        cursor.execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{index.name}"')
    index.delete()


def _large_without_index() -> list[tuple[UUID, str]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT gallery_id, pack FROM gallery_faceembedding embedding WHERE NOT EXISTS (SELECT FROM gallery_vectorindex"
            " built WHERE built.gallery_id = embedding.gallery_id AND built.pack = embedding.pack)"
            " GROUP BY gallery_id, pack HAVING count(*) > %s ORDER BY count(*)",
            [BUILD_FROM],
        )
        return cursor.fetchall()


def _rows(gallery_id: UUID, pack: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM gallery_faceembedding WHERE gallery_id = %s AND pack = %s", [gallery_id, pack]
        )
        return cursor.fetchone()[0]


def _forget_broken() -> None:
    """Those whose build or removal was broken off, and those that somebody dropped by hand."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT class.relname FROM pg_index JOIN pg_class class ON class.oid = indexrelid"
            " WHERE class.relname LIKE 'face\\_hnsw\\_%%' AND indisvalid"
        )
        valid = {name for (name,) in cursor.fetchall()}
    for index in VectorIndex.objects.all():
        if index.state != State.READY or index.name not in valid:
            drop_index(index)
    _drop_orphans(set(VectorIndex.objects.values_list("name", flat=True)))


def _drop_orphans(known: set[str]) -> None:
    """Indexes of galleries that have been deleted."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relkind = 'i' AND relname LIKE 'face\\_hnsw\\_%%'")
        for (name,) in cursor.fetchall():
            if name not in known:
                cursor.execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{name}"')


def _execute_build(cursor, sql: str, name: str) -> None:
    """With parallel workers where the server has the shared memory for them, else alone."""
    try:
        cursor.execute(sql)
    except OperationalError as error:
        logger.warning("the index is built without parallel workers: %s", error)
        cursor.execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{name}"')
        cursor.execute("SET max_parallel_maintenance_workers = 0")
        cursor.execute(sql)


@contextmanager
def _memory(cursor, rows: int, dim: int) -> Iterator[None]:
    """Room for the graph during the build, within INDEX_MEMORY_MB: beyond it the build goes to disk and is slow."""
    needed = rows * (2 * dim + 400) * 1.2 / 2**20
    megabytes = max(64, min(int(needed), settings.INDEX_MEMORY_MB))
    cursor.execute(f"SET maintenance_work_mem = '{megabytes}MB'")
    try:
        yield
    finally:
        cursor.execute("RESET maintenance_work_mem")
        cursor.execute("RESET max_parallel_maintenance_workers")


@contextmanager
def _alone() -> Iterator[bool]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        held = cursor.fetchone()[0]
        try:
            yield held
        finally:
            if held:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


def _new_views(gallery_id: UUID, pack: str, count: int) -> np.ndarray:
    """`count` made-up views of people from all over the gallery, the same at every run. float32 (count, dim)."""
    random = np.random.default_rng(0)
    views, keys = np.empty((0, 0), "float32"), np.empty(0)
    for block in enrolled_vectors(gallery_id=gallery_id, pack=pack):
        drawn = random.random(len(block.samples))
        chosen = np.argsort(drawn)[:count]
        moved = block.vectors[chosen] + _differences(block, random, len(chosen))
        views = np.concatenate([views, moved]) if len(views) else moved
        keys = np.concatenate([keys, drawn[chosen]])
        best = np.argsort(keys)[:count]
        views, keys = views[best], keys[best]
    return views


def _differences(block: VectorBlock, random: np.random.Generator, count: int) -> np.ndarray:
    """Between two samples of one person, drawn from the block; where it has none, 0.4 of those between two people."""
    order = np.argsort(block.identities.view("S16"), kind="stable")
    people, vectors = block.identities[order], block.vectors[order]
    steps = np.diff(vectors, axis=0)
    same = people[1:] == people[:-1]
    steps = steps[same] if same.any() else 0.4 * steps
    if not len(steps):
        return np.zeros((count, vectors.shape[1]), "float32")
    return steps[random.integers(len(steps), size=count)]
