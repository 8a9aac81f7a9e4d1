"""The platform's figures for Prometheus, as the database has them: one statement a scrape, and no label without bounds."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from faceplatform import __version__
from recognition.photos.installed_packs import installed_manifests
from recognition.photos.querysets import WORKER_ALIVE_FOR
from recognition.tallies.counting import BOUNDS

STATE = """
SELECT jsonb_build_object(
    'queue', (SELECT coalesce(jsonb_agg(to_jsonb(part)), '[]') FROM (
        SELECT purpose, status, count(*) AS photos, extract(epoch FROM now() - min(created_at)) AS oldest
        FROM recognition_recognitionrequest WHERE status IN ('queued', 'running') GROUP BY purpose, status) part),
    'workers', (SELECT coalesce(jsonb_agg(engine), '[]') FROM recognition_worker
        WHERE last_seen_at > now() - %(alive_for)s AND last_seen_at < now() + %(alive_for)s),
    'tallies', (SELECT coalesce(jsonb_agg(to_jsonb(tally)), '[]') FROM tallies_tally tally),
    'jobs', (SELECT coalesce(jsonb_agg(to_jsonb(part)), '[]') FROM (
        SELECT queue_name, status::text AS status, count(*) AS jobs FROM procrastinate_jobs
        WHERE status IN ('todo', 'doing', 'failed') GROUP BY queue_name, status) part),
    'indexes', (SELECT coalesce(jsonb_agg(to_jsonb(part)), '[]') FROM (
        SELECT state, count(*) AS indexes, sum(size_bytes)::bigint AS bytes FROM gallery_vectorindex GROUP BY state) part),
    'bytes', pg_database_size(current_database()),
    'connections', (SELECT coalesce(jsonb_agg(to_jsonb(part)), '[]') FROM (
        SELECT coalesce(state, 'unknown') AS state, count(*) AS connections FROM pg_stat_activity
        WHERE datname = current_database() GROUP BY state) part),
    'most_connections', current_setting('max_connections')::integer,
    'packs', (SELECT coalesce(jsonb_agg(to_jsonb(part)), '[]') FROM (
        SELECT pack, count(*) AS galleries FROM gallery_gallery GROUP BY pack) part),
    'backup', (SELECT to_jsonb(part) FROM (
        SELECT extract(epoch FROM now() - started_at) AS age, size, verification_error = '' AS sound FROM backups_backup
        WHERE kind = 'daily' AND error = '' AND finished_at IS NOT NULL ORDER BY id DESC LIMIT 1) part),
    'backup_failed', (SELECT error <> '' FROM backups_backup WHERE kind = 'daily' ORDER BY id DESC LIMIT 1)
)::text
"""
TALLIES = {
    "claims": ("faceplatform_claims", "Batches of photos that workers took from the queue.", ""),
    "claimed_photos": ("faceplatform_claimed_photos", "Photos in these batches.", ""),
    "finished": ("faceplatform_photos", "Photos that workers have dealt with.", "status"),
    "refusals": ("faceplatform_refusals", "Photos that were refused or failed.", "reason"),
    "decisions": ("faceplatform_decisions", "Faces that were searched for.", "decision"),
}
STAGES = "faceplatform_stage_seconds"


class Figures(Collector):
    """Asks the database at each scrape. Where that cannot be reached, only `faceplatform_database_up` 0 is told."""

    def collect(self) -> Iterator[Metric]:
        yield _gauge("build_info", "The platform's version.", [({"version": __version__}, 1)])
        try:
            state = _state()
        except (DatabaseError, InterfaceError):
            state = None
        yield _gauge("database_up", "Whether the database answers.", [({}, state is not None)])
        if state is not None:
            for part in (_queue, _workers, _tallies, _jobs, _database, _packs, _backups):
                yield from part(state)


def _state() -> dict[str, Any]:
    with connection.cursor() as cursor:
        alive_for: Any = WORKER_ALIVE_FOR  # the stubs know no timedelta
        cursor.execute(STATE, {"alive_for": alive_for})
        return json.loads(cursor.fetchone()[0])


def _queue(state: dict[str, Any]) -> Iterator[Metric]:
    rows = state["queue"]
    labels = [{"purpose": row["purpose"], "status": row["status"]} for row in rows]
    yield _gauge("queue_photos", "Photos that wait or are being looked at.", _with(labels, rows, "photos"))
    yield _gauge("queue_oldest_seconds", "Since when the oldest of them has been there.", _with(labels, rows, "oldest"))


def _workers(state: dict[str, Any]) -> Iterator[Metric]:
    kinds = Counter(_kind(engine) for engine in state["workers"])
    samples = [({"runtime": runtime, "precision": precision}, number) for (runtime, precision), number in kinds.items()]
    yield _gauge(
        "workers", "Living workers, by what their nets run on.", samples or [({"runtime": "", "precision": ""}, 0)]
    )


def _kind(engine: dict[str, Any]) -> tuple[str, str]:
    """Runtime and precision of a worker's nets; "mxnet+openvino" where they differ, nothing before a pack is loaded."""
    nets = [net for pack in engine.values() for net in pack.get("nets", [])]
    runtimes, precisions = {net.get("runtime", "mxnet") for net in nets}, {net.get("precision", "") for net in nets}
    return "+".join(sorted(runtimes)), "+".join(sorted(precisions))


def _tallies(state: dict[str, Any]) -> Iterator[Metric]:
    for tally, (name, text, label) in TALLIES.items():
        counter = CounterMetricFamily(name, text, labels=[label] if label else [])
        for row in state["tallies"]:
            if row["name"] == tally:
                counter.add_metric([row["label"]] if label else [], row["count"])
        yield counter
    stages = HistogramMetricFamily(
        STAGES, "How long the stages of a photo took; “search” is the vector search.", labels=["stage"]
    )
    for row in state["tallies"]:
        if row["name"] == "stages" and len(row["buckets"]) == len(BOUNDS) + 1:
            sums = accumulate(row["buckets"])
            buckets = list(zip([*map(str, BOUNDS), "+Inf"], sums, strict=True))
            stages.add_metric([row["label"]], buckets, row["total"])
    yield stages


def _jobs(state: dict[str, Any]) -> Iterator[Metric]:
    labels = [{"queue": row["queue_name"], "status": row["status"]} for row in state["jobs"]]
    yield _gauge("jobs", "Background jobs that wait, run or have failed.", _with(labels, state["jobs"], "jobs"))


def _database(state: dict[str, Any]) -> Iterator[Metric]:
    indexes = state["indexes"]
    states = [{"state": row["state"]} for row in indexes]
    yield _gauge("vector_indexes", "Vector indexes of large galleries.", _with(states, indexes, "indexes"))
    yield _gauge("vector_index_bytes", "Their size as of their build.", _with(states, indexes, "bytes"))
    yield _gauge("database_bytes", "Size of the database.", [({}, state["bytes"])])
    labels = [{"state": row["state"]} for row in state["connections"]]
    yield _gauge("database_connections", "Connections to it.", _with(labels, state["connections"], "connections"))
    yield _gauge("database_connections_most", "How many its server allows.", [({}, state["most_connections"])])


def _packs(state: dict[str, Any]) -> Iterator[Metric]:
    installed = {manifest.name: manifest for manifest in installed_manifests()}
    samples = []
    for row in state["packs"]:
        manifest = installed.get(row["pack"])
        facts = {"licence": manifest.licence if manifest else "", "installed": "yes" if manifest else "no"}
        commercial = "" if manifest is None else "yes" if manifest.commercial_use else "no"
        samples.append(({"pack": row["pack"], "commercial_use": commercial, **facts}, row["galleries"]))
    yield _gauge("packs_in_force", "How many galleries each model pack is in force in, with its licence.", samples)


def _backups(state: dict[str, Any]) -> Iterator[Metric]:
    last = state["backup"]
    yield _gauge("backup_daily", "Whether daily backups are to be made.", [({}, settings.BACKUP_DIR is not None)])
    yield _gauge("backup_failed", "Whether the last daily backup failed.", [({}, bool(state["backup_failed"]))])
    if last is not None:
        yield _gauge("backup_age_seconds", "Since the last daily backup that was made.", [({}, last["age"])])
        yield _gauge("backup_bytes", "Its size.", [({}, last["size"] or 0)])
        yield _gauge("backup_sound", "0 if it could not be restored on trial.", [({}, last["sound"])])


def _gauge(name: str, text: str, samples: Iterable[tuple[dict[str, str], float]]) -> GaugeMetricFamily:
    samples = list(samples)
    names = list(samples[0][0]) if samples else []
    family = GaugeMetricFamily(f"faceplatform_{name}", text, labels=names)
    for labels, value in samples:
        family.add_metric([labels[name] for name in names], float(value))
    return family


def _with(labels: list[dict[str, str]], rows: list[dict[str, Any]], key: str) -> list[tuple[dict[str, str], float]]:
    return [(label, row[key]) for label, row in zip(labels, rows, strict=True)]
