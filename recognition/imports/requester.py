"""In whose name an import runs, and whether they still may."""

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actor import Actor
from accounts.models import ApiKey, User
from accounts.roles import Role, Scope
from faceplatform.errors import NotAllowed
from gallery.models import Gallery
from recognition.imports.models import Import


def requester_of(job: Import) -> Actor:
    """Whoever started or resumed the import, with the rights they have now.

    Raises NotAllowed if the account or the key has ended, the role was taken away, or the gallery is being deleted.
    """
    key = job.requested_as["api_key"]
    api_key = ApiKey.objects.filter(pk=key).first() if key else None
    name = job.requested_as["name"]
    if key and (api_key is None or not api_key.is_usable(timezone.now())):
        raise NotAllowed(
            _(
                "The API key with which %(name)s started this import has ended. Somebody who may enrol can resume the "
                "import: it then goes on in their name."
            )
            % {"name": name},
            code="key_ended",
        )
    if job.requested_by_id and not User.objects.filter(pk=job.requested_by_id, is_active=True).exists():
        raise NotAllowed(
            _(
                "The account of %(name)s, who started this import, has been closed. Somebody who may enrol can resume the "
                "import: it then goes on in their name."
            )
            % {"name": name}
        )
    actor = Actor.from_record(job.requested_by, job.requested_as, api_key)
    gallery = Gallery.objects.filter(pk=job.gallery_id).first()
    if gallery is None or gallery.deletes_at is not None:
        raise NotAllowed(_("The gallery is being deleted."), code="gallery_closed")
    actor.require_scope(Scope.ENROL)
    if (actor.role_in(gallery) or Role.VIEWER) < Role.CURATOR:
        raise NotAllowed(
            _(
                "%(name)s, who started this import, may no longer enrol in this gallery. Somebody who may enrol can resume "
                "the import: it then goes on in their name."
            )
            % {"name": name}
        )
    return actor
