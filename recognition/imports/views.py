"""The pages that list imports, start one and show its progress."""

from pathlib import PurePath

from django.contrib import messages
from django.core.paginator import Paginator
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts.pages import actor_of, get_visible
from accounts.roles import Role
from faceplatform.errors import Conflict, DomainError
from gallery.models import Gallery
from recognition.imports import services, tasks
from recognition.imports.api import report_response
from recognition.imports.forms import ImportForm
from recognition.imports.models import Import, ImportRow
from recognition.photos.models import RecognitionRequest, Worker


def imports(request, slug):
    """Lists a gallery's imports, and starts a new one on POST."""
    gallery = get_visible(Gallery.objects.all(), request, slug=slug)
    actor_of(request).require_role(gallery, Role.CURATOR)
    form, status = ImportForm(request.POST or None, request.FILES or None), 200
    if request.method == "POST":
        status = 400
        if form.is_valid():
            try:
                return redirect("import", _create(request, gallery, form.cleaned_data).pk)
            except DomainError as error:
                form.add_error("file", error.message)
    page = Paginator(gallery.imports.all(), 20).get_page(request.GET.get("page"))
    return render(request, "recognition/imports.html", {"gallery": gallery, "form": form, "page": page}, status=status)


def _create(request, gallery: Gallery, data: dict) -> Import:
    file = data["file"]
    job = services.create_import(
        actor=actor_of(request),
        gallery=gallery,
        name=PurePath(file.name).name,
        file=file,
        quality_gate=data["quality_gate"],
    )
    tasks.start(job)
    return job


@require_safe
def import_(request, pk):
    """The progress of an import. While it runs, htmx fetches the partial every second."""
    job = _job(request, pk)
    refused = job.rows.filter(status=ImportRow.Status.REFUSED).order_by("path")
    context = {
        "gallery": job.gallery,
        "job": job,
        "runs": job.status in (Import.Status.QUEUED, Import.Status.RUNNING),
        "unserved": RecognitionRequest.objects.packs_without_worker().get(job.gallery.pack),
        "no_worker": not Worker.objects.alive().exists(),
        "reasons": job.left_out_by_reason(),
        "page": Paginator(refused, 50).get_page(request.GET.get("page")),
    }
    return render(request, "recognition/_import.html" if request.htmx else "recognition/import.html", context)


@require_safe
def report(request, pk):
    return report_response(request, _job(request, pk))


@require_POST
def stop(request, pk):
    return _act(request, pk, lambda job: services.stop_import(actor=actor_of(request), job=job))


@require_POST
def resume(request, pk):
    return _act(request, pk, lambda job: tasks.start(services.resume_import(actor=actor_of(request), job=job)))


def _act(request, pk, act):
    try:
        act(_job(request, pk))
    except Conflict as error:
        messages.error(request, error.message)
    return redirect("import", pk)


def _job(request, pk) -> Import:
    return get_visible(Import.objects.select_related("gallery"), request, pk=pk)
