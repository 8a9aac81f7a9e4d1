"""What the pages of a person share: who it is, what the user may do, and who comes before and after."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone

from accounts import looks
from accounts.pages import actor_of, get_visible
from accounts.roles import Role
from gallery.models import Identity


def find_person(request: HttpRequest, slug: str, pk: UUID) -> Identity:
    """The person, with gallery and portrait. Raises NotFound."""
    return get_visible(Identity.objects.select_related("gallery").with_portrait(), request, gallery__slug=slug, pk=pk)


def person_context(request: HttpRequest, person: Identity, tab: str) -> dict[str, Any]:
    """For gallery/_person_head.html, and notes the look. tab: which of the person's pages it is."""
    looks.seen(request, looks.Kind.PERSON, gallery=person.gallery, object_id=person.pk)
    role = actor_of(request).role_in(person.gallery) or Role.VIEWER  # None if the membership ended during this request
    before, after = Identity.objects.neighbours(person)
    return {
        "gallery": person.gallery,
        "identity": person,
        "tab": tab,
        "before": before,
        "after": after,
        "may_enrol": role >= Role.CURATOR,
        "may_erase": role >= Role.OWNER,
        "today": timezone.localdate(),
    }
