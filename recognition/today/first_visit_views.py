"""The first visit: name a gallery, add people, try a photo. Each step can be skipped. And how the demo goes."""

from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.confirmation import confirmed
from accounts.pages import actor_of, get_visible
from accounts.roles import Role
from faceplatform.errors import Conflict, DomainError
from gallery.closing import close_gallery
from gallery.models import Gallery
from recognition.demo import portraits, samples

PEOPLE, PHOTO = 2, 3


@require_safe
def first_steps(request, slug):
    """What comes after naming a gallery: its people, then a photo. ?step= shows one of them; else the first that is not done."""
    gallery = _gallery(request, slug)
    people = gallery.identities.count()
    asked = request.GET.get("step")
    step = int(asked) if asked in (str(PEOPLE), str(PHOTO)) else (PHOTO if people else PEOPLE)
    context = {"gallery": gallery, "people": people, "step": step, "done": step - 1, "portraits": _portraits()}
    return render(request, "recognition/first_steps.html", context)


@require_POST
def add_portraits(request, slug):
    """Adds the demo's portraits, to try the gallery with."""
    gallery = _gallery(request, slug)
    try:
        names = samples.add_portraits(actor=actor_of(request), gallery=gallery)
    except DomainError as error:
        if error.status == 403:
            raise
        messages.error(request, error.message)
        return redirect("first-steps", slug)
    told = _("%(names)s will be there in a moment.") if names else _("The sample portraits are there already.")
    messages.success(request, told % {"names": _(" and ").join(names)})
    return redirect("first-steps", slug)


@require_POST
@confirmed
def remove_demo(request, slug):
    """Closes the demo's gallery, as its owners may; they can undo that as with any gallery."""
    gallery = get_visible(Gallery.objects.all(), request, slug=slug)
    actor_of(request).require_role(gallery, Role.OWNER)
    if not samples.is_demo(gallery):
        raise Conflict(_("This gallery is not the demo. Delete it in its settings."))
    close_gallery(actor=actor_of(request), gallery=gallery, reason="The demo was removed.")
    messages.success(request, _("The demo is gone from every list."))
    return redirect("galleries")


def _gallery(request, slug) -> Gallery:
    gallery = get_visible(Gallery.objects.all(), request, slug=slug)
    actor_of(request).require_role(gallery, Role.CURATOR)
    return gallery


def _portraits() -> list[str]:
    """Whose sample portraits are here; nobody's where their packages are not installed."""
    return [portrait.name for portrait in portraits.PORTRAITS] if all(row.path for row in portraits.PORTRAITS) else []
