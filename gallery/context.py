"""Context processor for the navigation bar: the current section and gallery, and what the user may do there."""

from functools import cache

from django.apps import apps
from django.http import HttpRequest

from accounts.models import User
from accounts.roles import Role
from gallery.models import Gallery


@cache
def _sections() -> dict[str, str]:
    """The navigation entry of each named page, as the configs of the apps have it."""
    configs = apps.get_app_configs()
    return {page: section for config in configs for page, section in getattr(config, "sections", {}).items()}


def navigation(request: HttpRequest) -> dict:
    """Adds `nav` and `section` for signed-in users.

    nav: the page's gallery, or else, as on a page that says there is nothing here, the one last visited, as {"slug", "name",
    "may_enrol", "owns"}; None if there is none.
    section: the navigation entry to highlight.
    """
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {}
    match = request.resolver_match
    here = match.kwargs.get("slug") if match else None
    nav = _nav(user, here) or _nav(user, request.session.get("gallery"))
    return {"nav": nav, "section": _sections().get(match.url_name or "") if match else None}


def _nav(user: User, slug: str | None) -> dict | None:
    found = _name_and_role(user, slug) if slug else None
    if found is None:
        return None
    name, role = found
    return {"slug": slug, "name": name, "may_enrol": role >= Role.CURATOR, "owns": role >= Role.OWNER}


def _name_and_role(user: User, slug: str) -> tuple[str, int] | None:
    """The gallery's name and the user's role in it, in one query; None if the gallery is hidden from the user."""
    if user.is_superuser:
        name = Gallery.objects.filter(slug=slug, deletes_at=None).values_list("name", flat=True).first()
        return None if name is None else (name, Role.OWNER)
    return user.memberships.filter(gallery__slug=slug).values_list("gallery__name", "role").first()
