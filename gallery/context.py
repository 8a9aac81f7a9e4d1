"""Context processor for the navigation bar: the current section and gallery, and what the user may do there."""

from django.http import HttpRequest

from accounts.models import User
from accounts.roles import Role
from gallery.models import Gallery

SECTIONS = {
    "dashboard": "people",
    "model": "people",
    "identity": "people",
    "add-faces": "add",
    "enrolment": "add",
    "health": "people",
    "calibration": "people",
    "imports": "people",
    "import": "people",
    "recognise": "recognise",
    "recognitions": "requests",
    "recognition": "requests",
    "privacy": "people",
    "erase-subject": "people",
    "erasure": "people",
    "delete-gallery": "people",
    "audit": "audit",
    "api-keys": "keys",
    "rotate-api-key": "keys",
    "system": "system",
    "evaluations": "evaluations",
    "evaluation": "evaluations",
    "compare-evaluations": "evaluations",
}


def navigation(request: HttpRequest) -> dict:
    """Adds `nav` and `section` for signed-in users.

    nav: the page's gallery, or else the one last visited, as {"slug", "may_enrol", "owns"}; None if there is none.
    section: the navigation entry to highlight.
    """
    match = request.resolver_match
    if match is None or not request.user.is_authenticated:
        return {}
    slug = match.kwargs.get("slug") or request.session.get("gallery")
    role = _role(request.user, slug) if slug else None
    nav = None if role is None else {"slug": slug, "may_enrol": role >= Role.CURATOR, "owns": role >= Role.OWNER}
    return {"nav": nav, "section": SECTIONS.get(match.url_name or "")}


def _role(user: User, slug: str) -> int | None:
    """The user's role in the gallery, in one query; None if the gallery is hidden from the user."""
    if user.is_superuser:
        return Role.OWNER if Gallery.objects.filter(slug=slug, deletes_at=None).exists() else None
    return user.memberships.filter(gallery__slug=slug).values_list("role", flat=True).first()
