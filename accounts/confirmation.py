"""Sensitive acts ask again for the password or the second factor, if neither was given in the last ten minutes."""

from collections.abc import Callable

from allauth.account.adapter import get_adapter
from allauth.account.decorators import reauthentication_required
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from faceplatform.errors import NotAllowed


def confirmed(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Decorates a page: it asks before it takes a form. The form is then taken as it was sent; files in it are lost."""
    decorated: Callable[..., HttpResponseBase] = reauthentication_required(view, allow_get=True)
    return decorated


def require_confirmed() -> None:
    """For calls of the API with a session, which cannot be asked. Raises NotAllowed."""
    if get_adapter().is_reauthentication_required(app="accounts"):
        raise NotAllowed(_("Sign in again first: your last sign-in is too long ago for this."), code="confirm_first")
