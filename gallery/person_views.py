"""The pages of a person: faces, details and consent, history, who looked; recognition adds where the person was seen."""

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import AuditEvent, Look
from accounts.pages import actor_of, get_visible, offer_undo
from accounts.roles import Role
from faceplatform.errors import DomainError
from faceplatform.web.webcam import uses_webcam
from gallery import services
from gallery.forms import ConsentForm, IdentityForm
from gallery.models import Identity
from gallery.person import find_person, person_context
from gallery.person_history import events_of, in_words

A_PAGE = 50


@require_safe
@uses_webcam
def identity(request, slug, pk):
    """A person's faces, which curators can change here."""
    person = find_person(request, slug, pk)
    context = person_context(request, person, "faces") | {
        "samples": person.samples.enrolled().select_related("created_by"),
        "rejected": person.samples.filter(rejected=True),
    }
    return render(request, "gallery/identity.html", context)


def details(request, slug, pk):
    """A person's data and consent, with forms for curators."""
    person = find_person(request, slug, pk)
    if request.method == "POST":
        form = IdentityForm(request.POST, instance=Identity(gallery=person.gallery, pk=person.pk))
        return _save(request, person, form, _("Saved."), form=form)
    return _details(request, person)


@require_POST
def note_consent(request, slug, pk):
    """Records whether the person has agreed to being recognised."""
    person = find_person(request, slug, pk)
    form = ConsentForm(request.POST, instance=Identity(gallery=person.gallery, pk=person.pk))
    return _save(request, person, form, _("The consent was saved."), consent=form)


def _save(request, person: Identity, sent, told: str, **shown):
    """Saves what was sent, a form's values, and says so; or shows the page again with what is wrong."""
    status = 400
    if sent.is_valid():
        try:
            services.update_identity(actor=actor_of(request), identity=person, **sent.cleaned_data)
            messages.success(request, told)
            return redirect("identity-details", person.gallery.slug, person.pk)
        except DomainError as error:
            sent.add_error(None, error.message)
            status = error.status
    return _details(request, person, status=status, **shown)


def _details(request, person: Identity, *, form=None, consent=None, status: int = 200):
    context = person_context(request, person, "details") | {
        "form": form or IdentityForm(instance=person),
        "consent": consent or ConsentForm(instance=person),
        "editing": form is not None or request.GET.get("edit") == "details",
        "noting": consent is not None,
    }
    for each in (context["form"], context["consent"]):
        each.initial["seen"] = person.updated_at.isoformat()
    return render(request, "gallery/person_details.html", context, status=status)


@require_safe
def history(request, slug, pk):
    """Who changed what, as far as the user may see it, with Undo."""
    person = find_person(request, slug, pk)
    context = person_context(request, person, "history")
    rows = AuditEvent.objects.visible_to(actor_of(request)).with_undone()
    page = Paginator(events_of(person, rows), A_PAGE).get_page(request.GET.get("page"))
    return render(
        request, "gallery/person_history.html", context | {"page": page, "rows": [in_words(event) for event in page]}
    )


@require_POST
def delete_identity(request, slug, pk):
    person = get_visible(Identity.objects.select_related("gallery"), request, gallery__slug=slug, pk=pk)
    event = services.delete_identity(actor=actor_of(request), identity=person)
    offer_undo(request, _("%(name)s was deleted.") % {"name": person.name}, event)
    return redirect("dashboard", slug)


@require_safe
def who_looked(request, slug, pk):
    """Who looked at the person, for the gallery's owners."""
    person = get_visible(Identity.objects.select_related("gallery"), request, gallery__slug=slug, pk=pk)
    actor = actor_of(request)
    actor.require_role(person.gallery, Role.OWNER)
    page = Paginator(Look.objects.at_people([person.pk]), A_PAGE).get_page(request.GET.get("page"))
    context = {"gallery": person.gallery, "identity": person, "page": page, "days": settings.LOOK_RETENTION_DAYS}
    return render(request, "gallery/who_looked.html", context)
