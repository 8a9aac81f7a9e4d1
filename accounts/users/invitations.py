"""One-time links: with them somebody who was invited, or has lost the password, chooses one. A link holds for 72 hours.

`accounts.mails` makes it, and sends it where e-mail is set up.
"""

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.actor import Actor
from accounts.galleries import GalleryRow
from accounts.mails.links import make_path
from accounts.mails.sending import Kind
from accounts.mails.services import queue_link
from accounts.models import Membership, User
from accounts.roles import Role
from accounts.users.services import set_membership
from faceplatform.errors import Conflict, InvalidInput, NotAllowed


@transaction.atomic
def invite(
    *,
    actor: Actor,
    username: str,
    email: str = "",
    gallery: GalleryRow | None = None,
    role: Role = Role.VIEWER,
    is_staff: bool = False,
    is_administrator: bool = False,
    site: str = "",
) -> tuple[User, str]:
    """Makes an account without a password, with a role in `gallery`. Returns it and the path of the link for its user.

    The link is also mailed if `site` is given: scheme and host of the platform. Operators invite anybody, owners of a gallery
    into it. Raises NotAllowed, InvalidInput, or Conflict if the name is taken.
    """
    if not actor.sees_everything and (gallery is None or is_staff or is_administrator):
        raise NotAllowed(
            _("Only an operator may invite staff, or somebody without a gallery. Choose one of your galleries.")
        )
    if gallery is not None:
        actor.require_role(gallery, Role.OWNER)
    user = User(username=User.normalize_username(username.strip()), email=email.strip().lower())
    user.is_staff, user.is_superuser = is_staff or is_administrator, is_administrator
    user.set_unusable_password()
    _require_valid(user)
    user.save()
    details = {"invited": True} | ({"administrator": True} if is_administrator else {})
    audit.record(actor=actor, action="user.created", gallery=gallery, target=user, details=details)
    if gallery is not None:
        set_membership(actor=actor, gallery=gallery, user=user, role=role)
    if site:
        queue_link(kind=Kind.INVITATION, user=user, site=site)
    return user, make_path(user)


@transaction.atomic
def make_link(*, actor: Actor, user: User, site: str = "") -> str:
    """A new link for `user`: its path. Where no password was chosen yet, links made before end.

    It is also mailed if `site` is given, as by `invite`. Operators make one for anybody, owners for whom they have invited and
    nobody else has. Raises NotAllowed, or Conflict for an account that is switched off.
    """
    user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if not actor.sees_everything and not _is_only_theirs(actor, user):
        raise NotAllowed(_("Only an operator may make a link for somebody who has an account of their own already."))
    if not user.is_active:
        raise Conflict(_("The account “%(user)s” is switched off. Switch it on first.") % {"user": user})
    if not user.has_usable_password():
        user.set_unusable_password()  # another one, of which links are made
        user.save(update_fields=["password"])
    audit.record(actor=actor, action="user.link_made", target=user)
    if site:
        queue_link(kind=Kind.INVITATION, user=user, site=site)
    return make_path(user)


def _is_only_theirs(actor: Actor, user: User) -> bool:
    """Never signed in, no rights of staff, and a member of galleries alone that the actor owns: else the link would give more
    than the actor has."""
    if user.last_login or user.is_staff or user.is_superuser or user.has_usable_password() or actor.user is None:
        return False
    owned = actor.user.memberships.filter(role=Role.OWNER).values("gallery_id")
    theirs = Membership.with_closed.filter(user=user)
    return theirs.exists() and not theirs.exclude(gallery_id__in=owned).exists()


def _require_valid(user: User) -> None:
    if User.objects.filter(username__iexact=user.username).exists():
        raise Conflict(
            _("There is already an account “%(user)s”. Give it a role below, or choose another name.")
            % {"user": user.username}
        )
    try:
        user.clean_fields(exclude=["password"])
    except ValidationError as error:
        raise InvalidInput(" ".join(error.messages)) from error
