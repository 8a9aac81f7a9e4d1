"""An HNSW index for each large gallery, which a background job builds, tunes and drops while searches go on.

A single index over all galleries would lose recall, because a search wants the vectors of one gallery only. CONCURRENTLY
lets reads and writes continue; an interrupted build leaves an invalid index behind, which the next run drops. Only the owner
of a table may make or drop its indexes, so that alone is done as the owner.
"""

import logging
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from uuid import UUID

from django.conf import settings
from django.db import OperationalError, connection
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from faceplatform.database import roles
from gallery.models import FaceEmbedding, VectorIndex
from gallery.search.recall import tune_index
from gallery.search.vectors import dimension_of

logger = logging.getLogger(__name__)
BUILD_FROM = 2_000  # vectors; an exact search of so many takes about 2 ms
DROP_BELOW = 1_000
LOCK = 0x5EA4C4  # advisory lock: one maintenance at a time, on any machine
LOCK_PAUSE = 0.5  # seconds

State = VectorIndex.State


class BuildFailed(Exception):
    """Some indexes could not be built; the log says why. All others were."""


def maintain_indexes() -> list[VectorIndex]:
    """Builds missing indexes and drops unneeded ones. Returns those built; none if another run is in progress.

    An index that cannot be built holds up no other: BuildFailed is raised after all of them. The next run tries it again.
    """
    with _maintenance_lock() as acquired:
        if not acquired:
            return []
        _drop_broken()
        for index in VectorIndex.objects.filter(state=State.READY):
            if _count_rows(index.gallery_id, index.pack) < DROP_BELOW:
                drop_index(index)
        return _build_all(_large_without_index())


def _build_all(missing: Iterable[tuple[UUID, str]]) -> list[VectorIndex]:
    built, failed = [], []
    for gallery, pack in missing:
        try:
            built.append(build_index(gallery_id=gallery, pack=pack))
        except Exception:
            logger.exception("the index of the gallery %s for %s could not be built", gallery, pack)
            failed.append(f"{gallery} ({pack})")
    if failed:
        raise BuildFailed(f"No index could be built for {', '.join(failed)}.")
    return [index for index in built if index is not None]


def build_index(*, gallery_id: UUID, pack: str) -> VectorIndex | None:
    """Builds a gallery's index and finds the ef_search it needs. Searches use it from then on. Waits for other maintenance.

    If another process has built it in the meantime, returns that one. Returns None if the gallery has no vectors of `pack`: it
    may have been deleted since it was found to be large.
    """
    with _maintenance_lock(wait=True):
        for index in VectorIndex.objects.filter(gallery=gallery_id, pack=pack):
            if index.state == State.READY:
                return index
            drop_index(index)  # its build or removal was interrupted: nobody else is at work
        return _build(gallery_id, pack)


def _build(gallery_id: UUID, pack: str) -> VectorIndex | None:
    dim = dimension_of(gallery_id=gallery_id, pack=pack)
    if dim is None:
        return None
    rows = _count_rows(gallery_id, pack)
    name = f"face_hnsw_{gallery_id.hex}_{zlib.crc32(pack.encode()):08x}"
    index = VectorIndex.objects.create(gallery_id=gallery_id, pack=pack, name=name, rows=rows)
    started = time.monotonic()
    with roles.owner(), connection.cursor() as cursor:
        condition = cursor.mogrify("gallery_id = %s AND pack = %s", [gallery_id, pack])
        sql = (
            f'CREATE INDEX CONCURRENTLY "{name}" ON gallery_faceembedding '
            f"USING hnsw ((vector::halfvec({dim})) halfvec_l2_ops) WHERE {condition}"
        )
        with _build_memory(cursor, rows, dim):
            _execute_build(cursor, sql, name)
        analyze(cursor)
        cursor.execute("SELECT pg_relation_size(%s::regclass)", [f'"{name}"'])
        index.size_bytes = cursor.fetchone()[0]
    index.build_seconds = time.monotonic() - started
    index.built_at = timezone.now()
    tune_index(index)
    logger.info(
        "built %s: %s rows in %.0f s, recall %.4f of %s probes with ef_search %s",
        *(name, rows, index.build_seconds, index.recall, index.recall_probes, index.ef_search),
    )
    return index


def analyze(cursor: CursorWrapper) -> None:
    """Updates the planner's statistics; without them, searches after a large import are planned badly."""
    cursor.execute("ANALYZE gallery_faceembedding, gallery_facesample, gallery_identity")


def drop_index(index: VectorIndex) -> None:
    """Drops the index; searches of its gallery are exact from then on."""
    VectorIndex.objects.filter(pk=index.pk).update(state=State.DROPPING)
    _drop([index.name])
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


def _count_rows(gallery_id: UUID, pack: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM gallery_faceembedding WHERE gallery_id = %s AND pack = %s", [gallery_id, pack]
        )
        return cursor.fetchone()[0]


def _drop_broken() -> None:
    """Drops indexes whose build or removal was interrupted, and forgets those that were dropped by hand."""
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
    """Drops the indexes of galleries that have been deleted."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relkind = 'i' AND relname LIKE 'face\\_hnsw\\_%%'")
        orphans = [name for (name,) in cursor.fetchall() if name not in known]
    if orphans:
        _drop(orphans)


def _drop(names: Iterable[str]) -> None:
    with roles.owner(), connection.cursor() as cursor:
        for name in names:
            cursor.execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{name}"')


def _execute_build(cursor: CursorWrapper, sql: str, name: str) -> None:
    """Builds with parallel workers if the server has the shared memory for them, otherwise without."""
    try:
        cursor.execute(sql)
    except OperationalError as error:
        logger.warning("building the index without parallel workers: %s", error)
        cursor.execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{name}"')
        cursor.execute("SET max_parallel_maintenance_workers = 0")
        cursor.execute(sql)


@contextmanager
def _build_memory(cursor: CursorWrapper, rows: int, dim: int) -> Iterator[None]:
    """Sets the build's memory to what the graph needs, up to INDEX_MEMORY_MB. With less, the build uses the disk and is slow."""
    needed = rows * (2 * dim + 400) * 1.2 / 2**20
    megabytes = max(64, min(int(needed), settings.INDEX_MEMORY_MB))
    cursor.execute(f"SET maintenance_work_mem = '{megabytes}MB'")
    try:
        yield
    finally:
        cursor.execute("RESET maintenance_work_mem")
        cursor.execute("RESET max_parallel_maintenance_workers")


@contextmanager
def _maintenance_lock(*, wait: bool = False) -> Iterator[bool]:
    """Yields whether the lock was free. wait: waits until it is.

    It asks again and again, as a build (CONCURRENTLY) would wait for the statement of a session that waits in the database. A
    session that has the lock can take it again.
    """
    with connection.cursor() as cursor:
        while not (acquired := _try_lock(cursor)) and wait:
            time.sleep(LOCK_PAUSE)
        try:
            yield acquired
        finally:
            if acquired:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


def _try_lock(cursor: CursorWrapper) -> bool:
    cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
    return cursor.fetchone()[0]


def lacks_index(gallery_id: UUID, pack: str) -> bool:
    """Whether searches with `pack` would be slow: the gallery is large and has no ready index for the pack."""
    ready = VectorIndex.objects.filter(gallery=gallery_id, pack=pack, state=VectorIndex.State.READY)
    rows = FaceEmbedding.objects.filter(gallery=gallery_id, pack=pack)
    return not ready.exists() and rows[BUILD_FROM : BUILD_FROM + 1].exists()
