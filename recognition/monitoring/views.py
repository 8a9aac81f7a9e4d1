"""The System page, for operators: the running workers, what their models run on, backups, and the installed packs."""

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, ProcessCollector, generate_latest

from accounts.pages import actor_of
from accounts.roles import Role
from faceplatform import __version__
from faceplatform.errors import NotFound
from faceplatform.processes.jobs import FAILED_KEPT, latest_failures
from faceplatform.web.metrics import registry
from gallery.models import Gallery
from recognition.backups.models import Backup
from recognition.backups.state import backup_warning
from recognition.monitoring.access import require_monitor
from recognition.monitoring.figures import Figures
from recognition.photos.installed_packs import installed_manifests, pack_as_dict
from recognition.photos.models import RecognitionRequest, Status, Worker

registry.register(Figures())
ProcessCollector(registry=registry)


@require_safe
def system(request):
    """Workers with what their nets run on and why, packs with their licences, and how many photos are waiting."""
    if not request.user.is_staff:
        raise NotFound(_("There is nothing here, or you have no access to it."))
    unfinished = RecognitionRequest.objects.filter(status__in=[Status.QUEUED, Status.RUNNING])
    counts = dict(unfinished.values_list("status").annotate(Count("pk")).order_by())
    packs = [pack_as_dict(manifest) for manifest in installed_manifests()]
    galleries = Gallery.objects.visible_to(actor_of(request), Role.OWNER)
    context = {
        "version": __version__,
        "workers": Worker.objects.alive(),
        "packs": packs,
        "default_pack": settings.DEFAULT_PACK,
        "galleries": galleries,
        "outgrown": _outgrown(packs, {gallery.pack for gallery in galleries}),
        "backups": Backup.objects.shown(),
        "backup_warning": backup_warning(),
        "failures": latest_failures(),
        "failed_kept": FAILED_KEPT.days,
        "unserved": RecognitionRequest.objects.packs_without_worker(),
        "queued": counts.get(Status.QUEUED, 0),
        "running": counts.get(Status.RUNNING, 0),
    }
    return render(request, "recognition/system.html", context)


@login_not_required
@require_safe
def metrics(request):
    """The figures for Prometheus. Whoever sends the token may read them; without one set, this machine alone."""
    require_monitor(request)
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def _outgrown(packs: list[dict[str, Any]], in_force: set[str]) -> list[str]:
    """The packs in force that are advised for fewer faces than the default one, if that is installed."""
    advised = {pack["name"]: pack["advised_faces"] for pack in packs}
    best = advised.get(settings.DEFAULT_PACK, 0)
    return sorted(pack for pack in in_force if advised.get(pack, best) < best)
