"""The page “Model of this gallery”: the pack in force, moving to another one, the preview, and going back."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.pages import actor_of, get_visible
from accounts.roles import Role
from faceplatform.errors import DomainError, InvalidInput, Unavailable
from gallery.models import Gallery, Identity
from gallery.pack_in_force import vectors_by_pack
from recognition.photos.installed_packs import installed_manifests, pack_as_dict
from recognition.photos.models import Worker
from recognition.photos.thresholds import expected_tar, threshold_of
from recognition.reembedding import services
from recognition.reembedding.models import PreviewedFace, ReEmbedding
from recognition.reembedding.progress import DECISION_CHANGES, changes_of, preview_as_dict, progress_of

CHANGES_A_PAGE = 24
Status = ReEmbedding.Status


@require_safe
def model(request, slug):
    """Which pack the gallery uses and what another would change. While faces are embedded, htmx polls the partial."""
    gallery = get_visible(Gallery.objects.all(), request, slug=slug)
    actor_of(request).require_role(gallery, Role.OWNER)
    context = {"gallery": gallery} | _job_context(request, gallery)
    if request.htmx:
        response = render(request, "recognition/_reembedding.html", context)
        if not context.get("runs"):
            response["HX-Refresh"] = "true"  # the rest of the page may have changed too
        return response
    context |= _pack_context(gallery)
    context["actions"] = not context.get("live") and (context["previous"] or context["old_vectors"])
    return render(request, "recognition/model.html", context)


def _pack_context(gallery: Gallery) -> dict:
    packs = [
        pack_as_dict(manifest) | {"expected": _percent(expected_tar(gallery, manifest.name))}
        for manifest in installed_manifests()
    ]
    previous = services.last_move(gallery)
    vectors = vectors_by_pack(gallery.pk)
    in_force = next((pack for pack in packs if pack["name"] == gallery.pack), None)
    return {
        "in_force": in_force,
        "better": in_force and next((pack for pack in packs if pack["default"] and _is_better(pack, in_force)), None),
        "threshold": _threshold(gallery),
        "others": [pack for pack in packs if pack["name"] != gallery.pack],
        "previous": previous,
        "previous_vectors": vectors.get(previous.old_pack, 0) if previous else 0,
        "old_vectors": sum(count for pack, count in vectors.items() if pack != gallery.pack),
        "past": gallery.reembeddings.filter(status__in=[Status.IN_FORCE, Status.LEFT])[:10],
    }


def _job_context(request, gallery: Gallery) -> dict:
    """The re-embedding that is running, or the last one if it was stopped or failed."""
    job = gallery.reembeddings.order_by("-id").first()
    if job is None or job.status in (Status.IN_FORCE, Status.LEFT):
        return {"job": None}
    progress = progress_of(job)
    change = request.GET.get("change", "")
    change = change if change in DECISION_CHANGES else ""
    preview = preview_as_dict(job)
    return {
        "job": job,
        "progress": progress,
        "live": job.status in (Status.RUNNING, Status.READY),
        "runs": job.status == Status.RUNNING or (job.status == Status.READY and job.restores_id is not None),
        "no_worker": not Worker.objects.alive().exists(),
        "unembedded": job.unembedded.select_related("sample__identity")[:20],
        "preview": preview,
        "rank1": {when: _percent(preview["rank1"][when]) for when in ("before", "after")} if preview else None,
        "changes": [(value, PreviewedFace.Change(value).label) for value in DECISION_CHANGES],
        "change": change,
        "page": _with_portraits(Paginator(changes_of(job, change), CHANGES_A_PAGE).get_page(request.GET.get("page"))),
    }


def _with_portraits(page):
    """Adds `people` to each changed face: [(person, portrait)] of whom it was recognised as before and would be after."""
    people = {pk for row in page for pk in (row.before_identity_id, row.after_identity_id)} - {None}
    portraits = Identity.objects.filter(pk__in=people).portraits()
    for row in page:
        named = [person for person in (row.before_identity, row.after_identity) if person]
        row.people = [(person, portraits.get(person.pk)) for person in named]
    return page


def _is_better(pack: dict, other: dict) -> bool:
    return pack["advised_faces"] > other["advised_faces"]


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _threshold(gallery: Gallery):
    try:
        return threshold_of(gallery)
    except Unavailable:
        return None


@require_POST
def start(request, slug):
    pack = request.POST.get("pack", "")
    if "\0" in pack:
        raise InvalidInput(_("This is not the name of a model pack. Choose one of those on the page."))
    return _act(
        request, slug, lambda actor, gallery: services.start_reembedding(actor=actor, gallery=gallery, pack=pack)
    )


@require_POST
def stop(request, slug, pk):
    job = _job(request, slug, pk)
    return _act(request, slug, lambda actor, gallery: services.stop_reembedding(actor=actor, job=job))


@require_POST
def cut_over(request, slug, pk):
    job = _job(request, slug, pk)
    text = _("%(pack)s is now in force. The threshold follows the gallery's size again.") % {"pack": job.pack}
    return _act(request, slug, lambda actor, gallery: services.cut_over(actor=actor, job=job), text)


@require_POST
def back(request, slug):
    return _act(request, slug, lambda actor, gallery: services.go_back(actor=actor, gallery=gallery), _("Going back."))


@require_POST
def forget(request, slug):
    text = _("The old vectors were deleted.")
    return _act(request, slug, lambda actor, gallery: services.forget_old_vectors(actor=actor, gallery=gallery), text)


def _act(request, slug, act, text: str = ""):
    gallery = get_visible(Gallery.objects.all(), request, slug=slug)
    try:
        act(actor_of(request), gallery)
    except DomainError as error:
        if error.status == 403:
            raise
        messages.error(request, error.message)
    else:
        if text:
            messages.success(request, text)
    return redirect("model", slug)


def _job(request, slug, pk) -> ReEmbedding:
    return get_visible(ReEmbedding.objects.select_related("gallery"), request, gallery__slug=slug, pk=pk)
