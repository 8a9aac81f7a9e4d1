"""For the navigation of every page: where we are, the gallery at hand, and what the user may do there."""

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
    "audit": "audit",
    "api-keys": "keys",
    "rotate-api-key": "keys",
    "system": "system",
    "evaluations": "evaluations",
    "evaluation": "evaluations",
    "compare-evaluations": "evaluations",
}


def navigation(request: HttpRequest) -> dict:
    """nav: the gallery of this page or the one last looked at, and what the user may do there; None where there is none."""
    match = request.resolver_match
    if match is None or not request.user.is_authenticated:
        return {}
    slug = match.kwargs.get("slug") or request.session.get("gallery")
    role = _role(request.user, slug) if slug else None
    nav = None if role is None else {"slug": slug, "may_enrol": role >= Role.CURATOR, "owns": role >= Role.OWNER}
    return {"nav": nav, "section": SECTIONS.get(match.url_name or "")}


def _role(user: User, slug: str) -> int | None:
    """The role in one query."""
    if user.is_superuser:
        return Role.OWNER if Gallery.objects.filter(slug=slug).exists() else None
    return user.memberships.filter(gallery__slug=slug).values_list("role", flat=True).first()
