"""Whether the platform can recognise: for load balancers and monitoring."""

from django.contrib.auth.decorators import login_not_required
from django.db import InterfaceError, OperationalError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import JsonResponse
from django.views.decorators.http import require_safe

from faceplatform.web.api import DATABASE_DOWN
from recognition.photos.models import Worker


@login_not_required
@require_safe
def ready(request):
    """Database reachable, migrations applied, a recognition worker alive; 503 with what is missing otherwise."""
    try:
        executor = MigrationExecutor(connection)
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
        workers = 0 if pending else Worker.objects.alive().count()
    except (OperationalError, InterfaceError):
        return JsonResponse({"status": "unavailable", "detail": DATABASE_DOWN}, status=503)
    if pending:
        return JsonResponse({"status": "unavailable", "detail": "Run: manage.py migrate"}, status=503)
    if not workers:
        detail = "No recognition worker is alive. Run: manage.py recognition_worker"
        return JsonResponse({"status": "unavailable", "detail": detail}, status=503)
    return JsonResponse({"status": "ok", "workers": workers})
