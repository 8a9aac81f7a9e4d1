"""Whether the platform is ready to recognise, for load balancers and monitoring."""

from django.contrib.auth.decorators import login_not_required
from django.db import InterfaceError, OperationalError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from faceplatform.web.api import DATABASE_DOWN
from recognition.photos.models import Worker


@login_not_required
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 if the database is reachable, migrations are applied and a worker is running; else 503 with what is missing."""
    try:
        executor = MigrationExecutor(connection)
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
        workers = 0 if pending else Worker.objects.alive().count()
    except (OperationalError, InterfaceError):
        return JsonResponse({"status": "unavailable", "detail": DATABASE_DOWN}, status=503)
    if pending:
        return JsonResponse({"status": "unavailable", "detail": "Run: manage.py migrate"}, status=503)
    if not workers:
        detail = "No recognition worker is running. Run: manage.py recognition_worker"
        return JsonResponse({"status": "unavailable", "detail": detail}, status=503)
    return JsonResponse({"status": "ok", "workers": workers})
