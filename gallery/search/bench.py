"""Measures the speed and recall of the vector search, on a synthetic gallery of any size beside a small one."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from typing import TypedDict
from uuid import UUID

import numpy as np
from django.db import connection

from gallery.search.indexing import BUILD_FROM, analyze, build_index
from gallery.search.query import nearest_identities, search_exactly
from gallery.search.synthetic import (
    SAMPLES_PER_PERSON,
    SyntheticGallery,
    create_synthetic_gallery,
    fill,
    remove_synthetic_gallery,
)

SMALL = 1_000  # rows of the gallery beside the large one
TOP_K = 5
PROBES = 500
EXACT_PROBES = 20
CLIENTS = 8


class SearchArguments(TypedDict):
    gallery_id: UUID
    pack: str
    probes: np.ndarray
    top_k: int


@dataclass
class SearchFigures:
    """Times in ms, sizes in MB. recall: share of probes for which the search finds the person that NumPy finds."""

    rows: int
    dim: int
    load_rows_a_second: float
    table_mb: float
    index_mb: float
    index_seconds: float
    ef_search: int
    recall: float
    p50: float
    p95: float
    searches_a_second_8: float
    p50_8: float
    p95_8: float
    numpy_p50: float
    sql_exact_p50: float
    small_alone_p50: float
    small_beside_p50: float
    small_while_loading_p95: float

    def as_dict(self) -> dict:
        return asdict(self)


def bench_search(rows: int, dim: int, *, keep: bool = False, say: Callable[[str], object] = print) -> SearchFigures:
    """Creates the galleries, measures, and removes them; with `keep`, only the small one. say: takes lines of progress."""
    small, large = create_synthetic_gallery(rows=SMALL, dim=dim), create_synthetic_gallery(rows=rows, dim=dim)
    try:
        return _measure(small, large, say)
    finally:
        remove_synthetic_gallery(small.gallery)
        if keep:
            say(f"kept the gallery {large.gallery.slug}")
        else:
            remove_synthetic_gallery(large.gallery)
            with connection.cursor() as cursor:
                cursor.execute("VACUUM gallery_faceembedding, gallery_facesample, gallery_identity")


def _measure(small: SyntheticGallery, large: SyntheticGallery, say: Callable[[str], object]) -> SearchFigures:
    list(fill(small))
    with connection.cursor() as cursor:
        analyze(cursor)
    small_probes, probes = small.probes(PROBES), large.probes(PROBES)
    small_alone = _search_times(small, small_probes)
    say("loading …")
    vectors, load_seconds, small_while_loading = _load(large, small, small_probes)
    rows = len(vectors)
    exact, numpy_times = _search_with_numpy(vectors, probes)
    del vectors
    with connection.cursor() as cursor:
        analyze(cursor)
    sql_exact = [_milliseconds(partial(search_exactly, **_search_arguments(large, p))) for p in probes[:EXACT_PROBES]]
    index = None
    if rows > BUILD_FROM:
        say("building the index …")
        index = build_index(gallery_id=large.gallery.pk, pack=large.gallery.pack)
    single = _search_times(large, probes)
    concurrent, rate = _search_concurrently(large, probes)
    say("measuring the recall …")
    return SearchFigures(
        rows=rows,
        dim=large.dim,
        load_rows_a_second=round(rows / load_seconds),
        table_mb=_megabytes("SELECT pg_table_size('gallery_faceembedding')"),
        index_mb=round(index.size_bytes / 2**20, 1) if index else 0,
        index_seconds=round(index.build_seconds or 0, 1) if index else 0,
        ef_search=index.ef_search if index else 0,
        recall=_recall(large, probes, exact),
        p50=_percentile(single, 50),
        p95=_percentile(single, 95),
        searches_a_second_8=round(rate, 1),
        p50_8=_percentile(concurrent, 50),
        p95_8=_percentile(concurrent, 95),
        numpy_p50=_percentile(numpy_times, 50),
        sql_exact_p50=_percentile(sql_exact, 50),
        small_alone_p50=_percentile(small_alone, 50),
        small_beside_p50=_percentile(_search_times(small, small_probes), 50),
        small_while_loading_p95=_percentile(small_while_loading, 95),
    )


def _load(
    large: SyntheticGallery, small: SyntheticGallery, probes: np.ndarray
) -> tuple[np.ndarray, float, list[float]]:
    """Loads the large gallery, searching the small one between blocks. Returns vectors, seconds of loading, search times."""
    vectors, small_while_loading, seconds, started = [], [], 0.0, time.perf_counter()
    for block in fill(large):
        seconds += time.perf_counter() - started
        vectors.append(block)
        small_while_loading += _search_times(small, probes[:10])
        started = time.perf_counter()
    return np.concatenate(vectors), seconds, small_while_loading


def _search_with_numpy(vectors: np.ndarray, probes: np.ndarray) -> tuple[list[float], list[float]]:
    """Exact search in memory, grouped by person. Returns each probe's smallest distance, and the times of EXACT_PROBES."""
    nearest, times = [], []
    people = np.arange(0, len(vectors), SAMPLES_PER_PERSON)
    squares = (vectors**2).sum(1)
    for number, probe in enumerate(probes):
        started = time.perf_counter()
        distances = squares - 2 * (vectors @ probe)
        best = np.minimum.reduceat(distances, people)
        first = np.argpartition(best, min(TOP_K, len(best) - 1))[:TOP_K]
        nearest.append(float(np.sqrt(max(best[first].min() + (probe**2).sum(), 0))))
        if number < EXACT_PROBES:
            times.append((time.perf_counter() - started) * 1000)
    return nearest, times


def _recall(large: SyntheticGallery, probes: np.ndarray, exact: list[float]) -> float:
    """A probe is a hit if the distance found is the smallest, within 1e-3: vectors are stored in half precision."""
    hits = 0
    for probe, distance in zip(probes, exact, strict=True):
        [matches] = nearest_identities(**_search_arguments(large, probe))
        hits += bool(matches) and matches[0].distance <= distance + 1e-3
    return round(hits / len(probes), 4)


def _search_times(synthetic: SyntheticGallery, probes: np.ndarray) -> list[float]:
    for probe in probes[:5]:
        nearest_identities(**_search_arguments(synthetic, probe))
    return [_milliseconds(partial(nearest_identities, **_search_arguments(synthetic, probe))) for probe in probes]


def _search_concurrently(synthetic: SyntheticGallery, probes: np.ndarray) -> tuple[list[float], float]:
    """Searches in CLIENTS threads, each with its own connection. Returns the times, and searches per second in total."""

    def client(number: int) -> list[float]:
        try:
            return _search_times(synthetic, probes[number::CLIENTS])
        finally:
            connection.close()

    started = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        times = [value for part in pool.map(client, range(CLIENTS)) for value in part]
    return times, len(times) / (time.perf_counter() - started)


def _search_arguments(synthetic: SyntheticGallery, probe: np.ndarray) -> SearchArguments:
    return {"gallery_id": synthetic.gallery.pk, "pack": synthetic.gallery.pack, "probes": probe[None], "top_k": TOP_K}


def _milliseconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


def _percentile(times: list[float], percent: int) -> float:
    return round(float(np.percentile(times, percent)), 2)


def _megabytes(query: str) -> float:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return round(cursor.fetchone()[0] / 2**20, 1)


def describe(figures: SearchFigures) -> list[str]:
    """The report, line by line."""
    f = figures
    index = (
        f"HNSW index {f.index_mb} MB, built in {f.index_seconds} s, ef_search {f.ef_search}"
        if f.index_mb
        else f"no index: exact up to {BUILD_FROM} rows"
    )
    return [
        f"{f.rows:,} x {f.dim}: loaded {f.load_rows_a_second:,.0f} rows/s; vectors {f.table_mb} MB; {index}",
        f"  search, top {TOP_K} people: p50 {f.p50} ms, p95 {f.p95} ms; recall@1 {f.recall}",
        f"  {CLIENTS} clients: {f.searches_a_second_8:,.0f}/s, p50 {f.p50_8} ms, p95 {f.p95_8} ms",
        f"  exact: NumPy in memory p50 {f.numpy_p50} ms ({f.numpy_p50 / f.p50:.1f}x), SQL {f.sql_exact_p50} ms",
        f"  a gallery of {SMALL:,} beside it: p50 {f.small_alone_p50} ms alone, {f.small_beside_p50} ms after, "
        f"p95 {f.small_while_loading_p95} ms while it was loaded",
    ]
