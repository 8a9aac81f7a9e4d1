"""The dashboard of portraits, and a person's page."""

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts import looks
from accounts.models import Look
from accounts.pages import actor_of, get_visible, offer_undo
from accounts.roles import Role
from faceplatform.errors import DomainError
from faceplatform.web.webcam import uses_webcam
from gallery import services
from gallery.forms import ConsentForm, GalleryForm, IdentityForm
from gallery.models import Gallery, Identity

PEOPLE_PER_PAGE = 60
GALLERIES_IN_MENU = 12
STATES = {
    "active": lambda people: people.filter(active=True, hidden=False),
    "inactive": lambda people: people.filter(active=False),
    "hidden": lambda people: people.filter(hidden=True),
    "without-consent": lambda people: people.without_valid_consent(),
    "consent-ending": lambda people: people.consent_ending(),
    "all": lambda people: people,
}


@require_safe
def welcome(request):
    """How to get the first gallery."""
    return render(request, "gallery/welcome.html", {"form": GalleryForm(), "closed": _closed(request)})


@require_safe
def galleries(request):
    """All galleries that the user may see; for the menu of the bar, the first few."""
    rows = Gallery.objects.visible_to(actor_of(request)).order_by("name", "id")
    if request.htmx:
        return render(request, "gallery/_galleries_menu.html", {"galleries": rows[:GALLERIES_IN_MENU]})
    query = request.GET.get("q", "").strip()
    page = Paginator(rows.filter(name__icontains=query).with_counts(), PEOPLE_PER_PAGE).get_page(
        request.GET.get("page")
    )
    context = {"page": page, "query": query, "form": GalleryForm(), "closed": _closed(request)}
    return render(request, "gallery/galleries.html", context)


def _closed(request):
    """The user's own galleries that are being deleted."""
    return Gallery.objects.owned_by(actor_of(request)).being_deleted()


@require_POST
def create_gallery(request):
    form = GalleryForm(request.POST)
    if not form.is_valid():
        return render(request, "gallery/welcome.html", {"form": form}, status=400)
    try:
        gallery = services.create_gallery(actor=actor_of(request), name=form.cleaned_data["name"])
    except DomainError as error:
        form.add_error(None, error.message)
        return render(request, "gallery/welcome.html", {"form": form}, status=error.status)
    return redirect("first-steps", gallery.slug)


@require_safe
def dashboard(request, slug):
    """A gallery's people as round portraits, with a tick on those recognised today."""
    actor = actor_of(request)
    gallery = get_visible(Gallery.objects.with_counts(), request, slug=slug)
    if request.session.get("gallery") != slug:
        request.session["gallery"] = slug
    looks.seen(request, looks.Kind.PEOPLE, gallery=gallery)
    state = request.GET.get("state") if request.GET.get("state") in STATES else "active"
    query = request.GET.get("q", "").strip()
    rows = STATES[state](gallery.identities.all()).matching(query).with_portrait().order_by("name", "id")
    context = {
        "gallery": gallery,
        "page": Paginator(rows, PEOPLE_PER_PAGE).get_page(request.GET.get("page")),
        "query": query,
        "state": state,
        "today": timezone.localdate(),
    }
    if request.htmx:
        return render(request, "gallery/_people.html", context)
    role = actor.role_in(gallery) or Role.VIEWER  # None if the membership ended during this request
    context |= {
        "may_enrol": role >= Role.CURATOR,
        "closed": _closed(request),
    }
    return render(request, "gallery/dashboard.html", context)


@require_safe
def people(request, slug):
    """The address above a person's: the gallery's own page shows the people."""
    return redirect("dashboard", get_visible(Gallery.objects.all(), request, slug=slug).slug)


@uses_webcam
def identity(request, slug, pk):
    """A person's data and samples, which curators can change here."""
    person = get_visible(Identity.objects.select_related("gallery").with_portrait(), request, gallery__slug=slug, pk=pk)
    if request.method == "POST":
        return _change_identity(request, person)
    return _identity_page(request, person, IdentityForm(instance=person))


def _change_identity(request, person: Identity):
    form, status = IdentityForm(request.POST, instance=Identity(gallery=person.gallery, pk=person.pk)), 400
    if form.is_valid():
        try:
            services.update_identity(actor=actor_of(request), identity=person, **form.cleaned_data)
            messages.success(request, "Saved.")
            return redirect(person)
        except DomainError as error:
            form.add_error(None, error.message)
            status = 409 if error.status == 409 else 400
    return _identity_page(request, person, form, status=status)


def _identity_page(
    request, person: Identity, form: IdentityForm, *, consent: ConsentForm | None = None, status: int = 200
):
    looks.seen(request, looks.Kind.PERSON, gallery=person.gallery, object_id=person.pk)
    role = actor_of(request).role_in(person.gallery) or Role.VIEWER  # None if the membership ended during this request
    consent = consent or ConsentForm(instance=person)
    form.initial["seen"] = consent.initial["seen"] = person.updated_at.isoformat()
    context = {
        "gallery": person.gallery,
        "identity": person,
        "samples": person.samples.enrolled().select_related("created_by"),
        "rejected": person.samples.filter(rejected=True),
        "form": form,
        "consent": consent,
        "may_enrol": role >= Role.CURATOR,
        "may_erase": role >= Role.OWNER,
        "today": timezone.localdate(),
    }
    return render(request, "gallery/identity.html", context, status=status)


@require_POST
def note_consent(request, slug, pk):
    """Records whether the person has agreed to being recognised."""
    person = get_visible(Identity.objects.select_related("gallery").with_portrait(), request, gallery__slug=slug, pk=pk)
    form, status = ConsentForm(request.POST, instance=Identity(gallery=person.gallery, pk=person.pk)), 400
    if form.is_valid():
        try:
            services.update_identity(actor=actor_of(request), identity=person, **form.cleaned_data)
            messages.success(request, "The consent was saved.")
            return redirect(person)
        except DomainError as error:
            form.add_error(None, error.message)
            status = error.status
    return _identity_page(request, person, IdentityForm(instance=person), consent=form, status=status)


@require_POST
def delete_identity(request, slug, pk):
    person = get_visible(Identity.objects.select_related("gallery"), request, gallery__slug=slug, pk=pk)
    event = services.delete_identity(actor=actor_of(request), identity=person)
    offer_undo(request, f"{person.name} was deleted.", event)
    return redirect("dashboard", slug)


@require_safe
def who_looked(request, slug, pk):
    """Who looked at the person, for the gallery's owners."""
    person = get_visible(Identity.objects.select_related("gallery"), request, gallery__slug=slug, pk=pk)
    actor = actor_of(request)
    actor.require_role(person.gallery, Role.OWNER)
    page = Paginator(Look.objects.at_people([person.pk]), 50).get_page(request.GET.get("page"))
    context = {"gallery": person.gallery, "identity": person, "page": page, "days": settings.LOOK_RETENTION_DAYS}
    return render(request, "gallery/who_looked.html", context)
