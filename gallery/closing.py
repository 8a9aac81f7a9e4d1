"""Deleting a gallery: it is closed at once, and its rows are deleted after a waiting time, until which it can be undone.

A closed gallery is hidden from every user and key (accounts/querysets.py, Actor.role_in); its owners and the operators see that
it is being deleted, and can undo that. recognition/privacy/gallery_deletion.py deletes it when its time has come.
"""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit
from accounts.actor import Actor
from accounts.audit import audited
from accounts.roles import Scope
from faceplatform.errors import Conflict, NotAllowed
from gallery.models import Gallery


@audited
def close_gallery(*, actor: Actor, gallery: Gallery, reason: str = "") -> Gallery:
    """Closes a gallery, to be deleted after the waiting time. Closing it again changes nothing. Only owners may."""
    actor.require_scope(Scope.MANAGE)
    gallery = _lock_for_owner(actor, gallery)
    if gallery.deletes_at is None:
        gallery.deletes_at = timezone.now() + timedelta(days=settings.GALLERY_DELETION_DAYS)
        gallery.deletion = {"by": actor.name, "reason": reason.strip()[:200], "began": False, "counts": {}}
        gallery.save(update_fields=["deletes_at", "deletion"])
        details = {"deletes_at": gallery.deletes_at.isoformat()}
        audit.record(actor=actor, action="gallery.closed", gallery=gallery, target=gallery, details=details)
    return gallery


@audited
def reopen_gallery(*, actor: Actor, gallery: Gallery) -> Gallery:
    """Undoes `close_gallery`: everything is as it was. Only owners may. Raises Conflict (not_closed, deletion_began)."""
    actor.require_scope(Scope.MANAGE)
    gallery = _lock_for_owner(actor, gallery)
    if gallery.deletion is None:
        raise Conflict(_("This gallery is not being deleted. There is nothing to undo."), code="not_closed")
    if gallery.deletion["began"]:
        raise Conflict(_("The waiting time is over, and the gallery is being deleted now."), code="deletion_began")
    gallery.deletes_at = gallery.deletion = None
    gallery.save(update_fields=["deletes_at", "deletion"])
    audit.record(actor=actor, action="gallery.reopened", gallery=gallery, target=gallery)
    return gallery


def _lock_for_owner(actor: Actor, gallery: Gallery) -> Gallery:
    """The gallery, locked. Raises NotAllowed, and Conflict if it is gone."""
    if not Gallery.objects.owned_by(actor).filter(pk=gallery.pk).exists():
        message = _("This needs the role owner in the gallery “%(gallery)s”. Ask one of its owners for it.")
        raise NotAllowed(message % {"gallery": gallery.name})
    row = Gallery.objects.select_for_update().filter(pk=gallery.pk).first()
    if row is None:
        raise Conflict(_("This gallery has been deleted."), code="deleted_meanwhile")
    return row


def require_open(gallery: Gallery) -> None:
    """For commands, which see closed galleries. Raises Conflict (gallery_closed)."""
    if gallery.deletes_at is not None:
        undo = f"manage.py delete_gallery {gallery.slug} --undo"
        raise Conflict(f"The gallery “{gallery.slug}” is being deleted. Undo that first: {undo}", code="gallery_closed")
