"""The privacy pages: a gallery's consents, retention and erasures; export and erasure of a person."""

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.http import JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.confirmation import confirmed
from accounts.pages import actor_of, get_visible, tell
from accounts.roles import Role
from faceplatform.errors import DomainError, NotFound
from faceplatform.text import same_name
from faceplatform.web.streaming import download
from gallery.closing import close_gallery, reopen_gallery
from gallery.models import Gallery, Identity
from gallery.services import change_settings
from recognition.privacy.erasure import erase_subject, report_of
from recognition.privacy.export import begin_export, export_blocks
from recognition.privacy.forms import DeleteGalleryForm, EraseForm, RetentionForm
from recognition.privacy.gallery_deletion import preview_of
from recognition.privacy.models import Erasure
from recognition.privacy.retention import due_today, settings_of
from recognition.privacy.services import change_retention
from recognition.privacy.subject import find_subject

MAX_LISTED = 50
NAMED = 5  # of those whom a change concerns


def privacy(request, slug):
    """What the gallery keeps for how long, what is due for deletion, whose consent ends, and past erasures."""
    gallery = get_visible(Gallery.objects.all(), request, slug=slug)
    actor = actor_of(request)
    actor.require_role(gallery, Role.CURATOR)
    initial = {"requires_consent": gallery.requires_consent}
    people = gallery.identities.all()
    silenced = people.none() if gallery.requires_consent else people.filter(active=True).without_valid_consent()
    count = silenced.count()
    form, status = RetentionForm(settings_of(gallery), request.POST or None, initial=initial, silenced=count), 200
    if request.method == "POST":
        status = 400
        if form.is_valid():
            _save(request, gallery, form)
            return redirect("privacy", slug)
    context = {
        "gallery": gallery,
        "form": form,
        "dues": [(due, form[due.category]) for due in due_today(gallery)],
        "people": people.count(),
        "silenced": silenced.order_by("name")[:NAMED],
        "silenced_count": count,
        "may_change": actor.role_in(gallery) == Role.OWNER,
        "ending": people.consent_ending().order_by("consent_until", "name")[:MAX_LISTED],
        "without": people.without_valid_consent().count(),
        "expired": people.consent_expired().order_by("-consent_until", "name")[:MAX_LISTED],
        "withdrawn": people.filter(consent__in=["refused", "withdrawn"]).order_by("name")[:MAX_LISTED],
        "deleted": _deleted_people(gallery),
        "page": _erasures(request, gallery),
    }
    return render(request, "recognition/privacy.html", context, status=status)


def _deleted_people(gallery: Gallery):
    """People whom curators deleted and can still restore."""
    deleted = Identity.with_deleted.filter(gallery=gallery, deleted_at__isnull=False, merged_into=None)
    return deleted.order_by("-deleted_at")[:MAX_LISTED]


def _erasures(request, gallery: Gallery):
    rows = Erasure.objects.visible_to(actor_of(request), Role.OWNER).filter(gallery=gallery)
    return Paginator(rows, 20).get_page(request.GET.get("page"))


@transaction.atomic
def _save(request, gallery: Gallery, form: RetentionForm) -> None:
    """Both or neither; each is told, and undone, by itself."""
    actor, required = actor_of(request), form.cleaned_data["requires_consent"]
    kept = change_retention(actor=actor, gallery=gallery, rules=form.rules())
    consent = change_settings(actor=actor, gallery=gallery, requires_consent=required)
    if kept or not consent:
        tell(request, _("Saved."), kept)
    if consent:
        told = _("Consent is required now.") if required else _("Consent is no longer required.")
        tell(request, told, consent)


@require_POST
@confirmed
def export(request, slug, pk):
    """Downloads a person's data as a ZIP."""
    subject = _subject(request, slug, pk)
    begin_export(actor=actor_of(request), subject=subject)
    name = f"export-{subject.people[0]}.zip"
    return download(request, export_blocks(subject), name=name, content_type="application/zip")


@confirmed
def erase(request, slug, pk):
    """Explains what an erasure does, and erases the person once their name is typed."""
    subject = _subject(request, slug, pk)
    actor = actor_of(request)
    actor.require_role(subject.gallery, Role.OWNER)
    form, status = EraseForm(request.POST or None), 200
    if request.method == "POST":
        status = 400
        if form.is_valid():
            try:
                return redirect("erasure", erase_subject(actor=actor, subject=subject, **form.cleaned_data).pk)
            except DomainError as error:
                form.add_error("confirm" if error.code == "not_confirmed" else None, error.message)
                status = error.status
    context = {"gallery": subject.gallery, "subject": subject, "form": form}
    return render(request, "recognition/erase.html", context, status=status)


@require_safe
def erasure(request, pk):
    """The report of an erasure; as JSON with ?download."""
    row = visible_erasure(request, pk)
    report = report_of(row)
    if "download" in request.GET:
        headers = {"Content-Disposition": f'attachment; filename="erasure-{row.pk}.json"'}
        return JsonResponse(report, headers=headers, json_dumps_params={"indent": 1})
    gallery = Gallery.objects.filter(pk=row.gallery_id).first()
    return render(request, "recognition/erasure.html", {"erasure": row, "report": report, "gallery": gallery})


@confirmed
def delete_gallery(request, slug):
    """What goes with a gallery, and closing it once its name is typed; while it is closed, since when and how to undo that."""
    gallery = _owned(request, slug)
    form, status = DeleteGalleryForm(request.POST or None), 200
    if request.method == "POST":
        status = 400
        if form.is_valid():
            if same_name(form.cleaned_data["confirm"], gallery.name):
                close_gallery(actor=actor_of(request), gallery=gallery, reason=form.cleaned_data["reason"])
                return redirect("delete-gallery", slug)
            form.add_error("confirm", _("The name you typed is not this gallery's. Nothing was deleted."))
    context = {"gallery": gallery, "form": form, "counts": preview_of(gallery), "days": settings.GALLERY_DELETION_DAYS}
    return render(request, "recognition/delete_gallery.html", context, status=status)


@require_POST
def undo_gallery_deletion(request, slug):
    reopen_gallery(actor=actor_of(request), gallery=_owned(request, slug))
    messages.success(request, _("The gallery is not being deleted any more. Everything is as it was."))
    return redirect("dashboard", slug)


def _owned(request, slug) -> Gallery:
    """A gallery that the user owns, even if it is closed. Raises NotFound."""
    gallery = Gallery.objects.owned_by(actor_of(request)).filter(slug=slug).first()
    if gallery is None:
        raise NotFound(_("There is nothing here, or you have no access to it."))
    return gallery


def visible_erasure(request, pk) -> Erasure:
    row = Erasure.objects.visible_to(actor_of(request), Role.OWNER).filter(pk=pk).first()
    if row is None:
        raise NotFound(_("There is no such report, or you have no access to it."))
    return row


def _subject(request, slug, pk):
    """A person, even if deleted, of a gallery that the user may see."""
    get_visible(Identity.with_deleted.all(), request, gallery__slug=slug, pk=pk)
    return find_subject(pk)
