"""The galleries, and the people of one."""

from collections import Counter

from django.core.paginator import Paginator
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts import looks
from accounts.pages import actor_of, get_visible
from accounts.roles import Role
from faceplatform.errors import DomainError
from gallery import services
from gallery.forms import GalleryForm
from gallery.models import Gallery
from gallery.people_filter import PeopleFilter

GALLERIES_PER_PAGE = 60
GALLERIES_IN_MENU = 12


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
    page = Paginator(rows.filter(name__icontains=query).with_counts(), GALLERIES_PER_PAGE).get_page(
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
    """A gallery's people, as portraits or a table, with a tick on those recognised today. Answers htmx with the list alone."""
    gallery = get_visible(Gallery.objects.with_counts(), request, slug=slug)
    if request.session.get("gallery") != slug:
        request.session["gallery"] = slug
    looks.seen(request, looks.Kind.PEOPLE, gallery=gallery)
    chosen = PeopleFilter(gallery, request.GET)
    page = chosen.pages().get_page(request.GET.get("page"))
    names = Counter(person.name for person in page)
    context = {
        "gallery": gallery,
        "filter": chosen,
        "page": page,
        "namesakes": {name for name, count in names.items() if count > 1},
        "today": timezone.localdate(),
        "may_enrol": (actor_of(request).role_in(gallery) or Role.VIEWER)
        >= Role.CURATOR,  # None: a membership that just ended
    }
    if request.htmx:
        return render(request, "gallery/_people.html", context)
    return render(request, "gallery/dashboard.html", context | {"closed": _closed(request)})


@require_safe
def people(request, slug):
    """The address above a person's: the gallery's own page shows the people."""
    return redirect("dashboard", get_visible(Gallery.objects.all(), request, slug=slug).slug)
