"""Whether the platform is ready to recognise, for load balancers and monitoring.

Asked by anybody, also while all else waits: one short statement on a connection of its own, never a second to wait.
"""

import logging
import shutil

import psycopg
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from faceplatform.database.migration_state import known_migrations, missing_migrations
from faceplatform.database.postgres import PostgresError
from faceplatform.database.probe import PATIENCE, Probe
from faceplatform.database.trouble import DATABASE_DOWN, DISK_FULL, disk_full_lately, unavailable
from recognition.photos.querysets import WORKER_ALIVE_FOR

logger = logging.getLogger(__name__)
LEAST_FREE = 64 * 2**20  # bytes; with less the embedded database may not come far
ASKED = """
SELECT (SELECT count(*) FROM django_migrations), (SELECT max(id) FROM django_migrations),
       (SELECT count(*) FROM recognition_worker WHERE last_seen_at > statement_timestamp() - %(alive_for)s
                                                       AND last_seen_at < statement_timestamp() + %(alive_for)s)
"""
MIGRATE = "Run: manage.py migrate"
NO_WORKER = "No recognition worker is alive. Run: manage.py recognition_worker"

SILENT = f"no answer within {PATIENCE:.0f} s: it is too busy, or the network swallows what is sent to it"

_logged = ""  # why we were not ready when that was logged last
_complete: tuple | None = None  # how the table of migrations looked when none was missing


@login_not_required
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 if the database is reachable, migrations are applied and a worker is running; else 503 with what is missing."""
    known_migrations()  # read from the disk once, before time counts
    try:
        workers = probe.answer()
    except TimeoutError:
        return _unavailable(DATABASE_DOWN, SILENT)
    except psycopg.errors.UndefinedTable:
        return _unavailable(MIGRATE)
    except (psycopg.Error, PostgresError, OSError) as error:
        problem = unavailable(error)
        return _unavailable(problem.message if problem else DATABASE_DOWN)
    if workers is None:
        return _unavailable(MIGRATE)
    if _disk_is_full():
        return _unavailable(DISK_FULL)
    if not workers:
        return _unavailable(NO_WORKER)
    _log_change("")
    return JsonResponse({"status": "ok", "workers": workers})


def _unavailable(detail: str, cause: str = "") -> JsonResponse:
    """cause: for the log, where nobody else has written it."""
    _log_change(f"{detail} ({cause})" if cause else detail)
    return JsonResponse({"status": "unavailable", "detail": detail}, status=503)


def _log_change(reason: str) -> None:
    """Logs why we are not ready (empty if we are) when that changes, however often it is asked."""
    global _logged
    before, _logged = _logged, reason
    if reason and reason != before:
        logger.warning("not ready: %s", reason)
    elif before and not reason:
        logger.warning("ready again")


def _living_workers(connection: psycopg.Connection) -> int | None:
    """How many; None if migrations are missing. These are compared again only when their table has changed."""
    global _complete
    [(*state, workers)] = connection.execute(ASKED, {"alive_for": WORKER_ALIVE_FOR}).fetchall()
    if _complete != tuple(state):
        applied = set(connection.execute("SELECT app, name FROM django_migrations").fetchall())
        if missing_migrations(applied):
            return None
        _complete = tuple(state)
    return workers


probe = Probe(_living_workers)


def _disk_is_full() -> bool:
    if disk_full_lately():
        return True
    return settings.EMBEDDED_POSTGRES and shutil.disk_usage(settings.DATA_DIR).free < LEAST_FREE
