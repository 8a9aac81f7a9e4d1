"""Looks the whole installation over: what is wrong, how bad it is, and what to do. Changes nothing."""

import os
import pwd
import re
import shutil
import stat
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone

from faceplatform import __version__, env, system_user
from faceplatform.database.client_tools import client_tool
from faceplatform.database.migration_state import applied_migrations, missing_migrations, unknown_migrations
from faceplatform.database.trouble import cause_of
from faceplatform.errors import Unavailable
from faceplatform.processes.jobs import latest_failures
from faceplatform.setting_values import Slots
from gallery.models import Gallery, Liveness, VectorIndex
from gallery.search.indexing import BUILD_FROM
from recognition.backups.schedule import keeps_for
from recognition.backups.state import backup_warning
from recognition.engine.liveness import PACK as LIVENESS_PACK
from recognition.engine.liveness import verify_liveness
from recognition.engine.manifest import PackError, verify_pack
from recognition.photos.models import RecognitionRequest, Worker

OK, WARNING, ERROR = "ok", "warning", "error"
LEAST_FREE = {ERROR: 2**30, WARNING: 5 * 2**30}  # bytes
MOST_WRONG = 2.0  # seconds, of the clock
LONGEST_WAIT = timedelta(minutes=5)
OLDEST_SERVER, OLDEST_VECTOR = 160000, (0, 7)
PINNED = re.compile(r"^([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?==([^\s;]+)(?:\s*;\s*(.+?))?\s*(?:#.*)?$")
LARGE = """
SELECT gallery.slug, embedding.pack FROM gallery_faceembedding embedding
JOIN gallery_gallery gallery ON gallery.id = embedding.gallery_id AND gallery.pack = embedding.pack
GROUP BY gallery.slug, embedding.pack, gallery.id HAVING count(*) >= %s AND NOT EXISTS (
    SELECT FROM gallery_vectorindex index
    WHERE index.gallery_id = gallery.id AND index.pack = embedding.pack AND index.state = 'ready'
)
"""
Server = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """about: what was looked at. text: how it is; where it is not ok, with what to do."""

    level: str
    about: str
    text: str


def examine() -> Iterator[Finding]:
    """All findings, in the order in which they should be mended: without a database, most cannot be looked at."""
    yield from _versions()
    yield from _files()
    yield from _disk()
    try:
        server = _ask_server()
    except (DatabaseError, InterfaceError, psycopg.Error, OSError) as error:
        yield Finding(ERROR, "database", f"It cannot be reached ({cause_of(error)}). See DATABASE_URL, or start it.")
        return
    yield from _server(server)
    applied = applied_migrations()
    if unknown := unknown_migrations(applied):
        yield Finding(
            ERROR,
            "migrations",
            f"The database is of a newer version (it has {'.'.join(unknown[0])}): upgrade this one.",
        )
        return
    if missing := missing_migrations(applied):
        yield Finding(ERROR, "migrations", f"{len(missing)} are missing. Run: manage.py migrate")
        return
    yield Finding(OK, "migrations", "all applied")
    for look in LOOKS:
        yield from look()


# --- This machine -----------------------------------------------------------------------------------------------------
def _versions() -> Iterator[Finding]:
    here = f"Faceplatform {__version__} on Python {sys.version.split()[0]}"
    wrong = [f"{name} {found or 'missing'} instead of {wanted}" for name, wanted, found in _unlike_pinned()]
    if wrong:
        yield Finding(WARNING, "versions", f"{here}, but {'; '.join(wrong)}. Run: make run")
    else:
        yield Finding(OK, "versions", here)


def _unlike_pinned() -> Iterator[tuple[str, str, str]]:
    """Packages of requirements.txt that are installed in another version: name, wanted, found."""
    before_312 = sys.version_info < (3, 12)
    for line in (settings.BASE_DIR / "requirements.txt").read_text().splitlines():
        if not (match := PINNED.match(line)):
            continue
        name, wanted, condition = match.groups()
        if condition and ("<" in condition) != before_312:
            continue
        try:
            found = version(name)
        except PackageNotFoundError:
            found = ""
        if found != wanted:
            yield name, wanted, found


def _files() -> Iterator[Finding]:
    open_to_others = [path.name for path in _private() if stat.S_IMODE(path.lstat().st_mode) & 0o077]
    if open_to_others:
        names = ", ".join(sorted(open_to_others)[:5])
        yield Finding(
            ERROR, "permissions", f"Others may read {names} in {settings.DATA_DIR}. The next start closes it."
        )
    elif not os.access(settings.DATA_DIR, os.W_OK):
        yield Finding(ERROR, "permissions", f"{settings.DATA_DIR} cannot be written. Give it to the platform's user.")
    else:
        yield Finding(OK, "permissions", f"{settings.DATA_DIR} is open to its own user alone")
    folder = settings.BACKUP_DIR
    if folder is not None and folder.exists() and not _may_write(folder):
        yield Finding(ERROR, "permissions", f"The platform's user may not write into {folder}, so no backups are made.")


def _may_write(folder: Path) -> bool:
    """Whether the platform's parts may: root's run as the system user."""
    if os.geteuid() != 0:
        return os.access(folder, os.W_OK)
    try:
        user = pwd.getpwnam(system_user.NAME)
    except KeyError:
        return True  # there is none yet, so nothing runs as it
    found = folder.stat()
    who = 0o200 if found.st_uid == user.pw_uid else 0o020 if found.st_gid == user.pw_gid else 0o002
    return bool(found.st_mode & who)


def _private() -> Iterator[Path]:
    yield settings.DATA_DIR
    yield from (path for path in settings.DATA_DIR.iterdir() if not path.is_symlink() and not path.is_socket())


def _disk() -> Iterator[Finding]:
    for folder in filter(None, (settings.DATA_DIR, settings.BACKUP_DIR)):
        if not folder.exists():
            continue
        free = shutil.disk_usage(folder).free
        level = next((level for level, least in LEAST_FREE.items() if free < least), OK)
        advice = "" if level == OK else ": make room, or the database stops"
        yield Finding(level, "disk", f"{free / 2**30:,.1f} GiB free at {folder}{advice}")


# --- The database -----------------------------------------------------------------------------------------------------
def _ask_server() -> Server:
    with connection.cursor() as cursor:
        before = time.time()
        cursor.execute("""
            SELECT current_setting('server_version_num')::integer, current_setting('server_version'),
                   (SELECT extversion FROM pg_extension WHERE extname = 'vector'), extract(epoch FROM clock_timestamp()),
                   current_setting('max_connections')::integer,
                   (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()),
                   current_setting('fsync'), current_setting('full_page_writes'), current_setting('autovacuum'),
                   pg_is_in_recovery(),
                   (SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('accounts_auditevent'))
        """)
        names = (
            "number",
            "version",
            "vector",
            "time",
            "most",
            "used",
            "fsync",
            "full_page_writes",
            "autovacuum",
            "standby",
            "owns",
        )
        found = dict(zip(names, cursor.fetchone(), strict=True))
    return found | {"skew": float(found["time"]) - (before + time.time()) / 2}


def _server(server: Server) -> Iterator[Finding]:
    yield Finding(OK, "database", f"PostgreSQL {server['version']}, pgvector {server['vector'] or 'not there yet'}")
    if server["number"] < OLDEST_SERVER:
        yield Finding(ERROR, "database", "PostgreSQL 16 or newer is needed.")
    if server["vector"] and tuple(int(part) for part in server["vector"].split(".")[:2]) < OLDEST_VECTOR:
        yield Finding(ERROR, "database", "pgvector 0.7 or newer is needed. Run: ALTER EXTENSION vector UPDATE")
    for name in ("fsync", "full_page_writes", "autovacuum"):
        if server[name] != "on":
            yield Finding(ERROR, "database", f"{name} is off: a power cut, or time, harms the data. Set it to on.")
    try:
        client_tool("pg_dump", server=server["number"] // 10_000)
    except Unavailable as error:
        yield Finding(ERROR, "backups", error.message)
    if server["standby"]:
        yield Finding(ERROR, "database", "It is a standby that can only be read. Let DATABASE_URL lead to the primary.")
    if server["used"] > 0.85 * server["most"]:
        yield Finding(
            WARNING, "database", f"{server['used']} of {server['most']} connections are in use. Raise max_connections."
        )
    if server["owns"]:
        yield Finding(
            WARNING,
            "database",
            "The platform owns its tables, so it could change the audit. See “two roles” in docs/installation.md.",
        )
    if abs(server["skew"]) > MOST_WRONG:
        yield Finding(
            ERROR, "clock", f"This machine and the database differ by {abs(server['skew']):.0f} s. Run NTP on both."
        )
    else:
        yield Finding(OK, "clock", "the same as the database's")


# --- The platform -----------------------------------------------------------------------------------------------------
def _packs() -> Iterator[Finding]:
    for name in sorted({settings.DEFAULT_PACK} | Gallery.objects.packs_in_force()):
        try:
            manifest = verify_pack(settings.MODELS_DIR / name)
        except PackError as error:
            yield Finding(ERROR, "packs", f"{error} Run: manage.py packs install {name}")
            continue
        if manifest.commercial_use:
            yield Finding(OK, "packs", f"{name} is whole ({manifest.licence})")
        else:
            yield Finding(WARNING, "packs", f"{name} is not for commercial use: {manifest.licence}")


def _liveness() -> Iterator[Finding]:
    if not Gallery.objects.exclude(liveness=Liveness.OFF).exists():
        return
    try:
        manifest = verify_liveness(settings.MODELS_DIR / LIVENESS_PACK)
    except PackError as error:
        yield Finding(WARNING, "liveness", f"Galleries want it, but no face is checked. {error}")
    else:
        yield Finding(OK, "liveness", f"{manifest.name} is whole ({manifest.licence})")


def _work() -> Iterator[Finding]:
    workers = Worker.objects.alive().count()
    if workers:
        yield Finding(OK, "workers", f"{workers} alive")
    else:
        yield Finding(WARNING, "workers", "None is alive, so photos are not looked at. Run: manage.py up")
    before = timezone.now() - LONGEST_WAIT
    if late := RecognitionRequest.objects.filter(status="queued", priority=0, created_at__lt=before).count():
        yield Finding(
            WARNING,
            "queue",
            f"{late} photos have waited for more than 5 minutes. Start more workers, or see their log.",
        )
    if given_up := [failure for failure in latest_failures() if failure.next_try is None]:
        yield Finding(
            WARNING, "jobs", f"{len(given_up)} have failed, last {given_up[0].name}. See the job worker's log."
        )
    else:
        yield Finding(OK, "jobs", "none has been given up")


def _indexes() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute(LARGE, [BUILD_FROM])
        without = cursor.fetchall()
    for slug, pack in without:
        yield Finding(
            WARNING, "index", f"{slug} ({pack}) has no vector index yet, so searches are slow. The job worker makes it."
        )
    if not without:
        ready = VectorIndex.objects.filter(state=VectorIndex.State.READY).count()
        yield Finding(OK, "index", f"{ready} in use, and no large gallery is without one")


def _backups() -> Iterator[Finding]:
    if warning := backup_warning():
        yield Finding(WARNING, "backups", warning)
    else:
        yield Finding(OK, "backups", f"daily, into {settings.BACKUP_DIR}")
    slots: Slots = settings.BACKUP_KEEP
    if settings.BACKUP_DIR is not None and keeps_for(slots).days > settings.BACKUP_RETENTION_DAYS:
        yield Finding(
            WARNING,
            "backups",
            f"They are kept for {keeps_for(slots).days} days, but reports of erasures promise {settings.BACKUP_RETENTION_DAYS}: "
            "set FACEPLATFORM_BACKUP_RETENTION_DAYS to what is true.",
        )


def _reach() -> Iterator[Finding]:
    host, port = env.get("FACEPLATFORM_HOST"), env.get("FACEPLATFORM_PORT")
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    address = f"http://{shown}:{port}/health/ready"
    if problem := _answers(address):
        yield Finding(WARNING, "address", f"{address} does not say that it is ready ({problem}). Run: manage.py up")
    else:
        yield Finding(OK, "address", f"{address} answers")
    here_alone = host in ("127.0.0.1", "::1", "localhost")
    if not settings.HTTPS and (not here_alone or settings.TRUSTED_PROXIES):
        yield Finding(
            ERROR,
            "https",
            "Passwords and photos cross the network unencrypted. Set up https and FACEPLATFORM_HTTPS=on.",
        )
    elif settings.HTTPS and not settings.TRUSTED_PROXIES:
        yield Finding(
            WARNING,
            "https",
            "No proxy is named in FACEPLATFORM_TRUSTED_PROXIES: the audit shows its address for everybody.",
        )
    else:
        yield Finding(OK, "https", "on" if settings.HTTPS else "not needed on this machine alone")
    if settings.DEBUG:
        yield Finding(ERROR, "settings", "FACEPLATFORM_DEBUG is on: pages of errors show what is secret.")


def _answers(address: str) -> str:
    """Why not; empty if it does."""
    try:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(address, timeout=5).close()
    except OSError as error:
        return str(error)
    return ""


LOOKS: tuple[Callable[[], Iterator[Finding]], ...] = (_packs, _liveness, _work, _indexes, _backups, _reach)
