"""To the organisation's sign-in and back: allauth's views, where it can be reached."""

from allauth.socialaccount.providers.openid_connect import views
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from django.views.generic import TemplateView
from requests import RequestException

from faceplatform.errors import NotFound, Unavailable


@login_not_required
@require_safe
def begin(request, provider_id):
    _require_set_up()
    if "process" in request.GET:
        raise NotFound(_("Accounts are not connected by hand here. Sign in."))
    request.GET = request.GET.copy()
    # Who is signed in already comes to confirm who they are: an open session over there is no answer.
    request.GET["auth_params"] = "prompt=login" if request.user.is_authenticated else ""
    try:
        return views.login(request, provider_id)
    except RequestException as error:
        raise Unavailable(
            _("%(name)s cannot be reached. Try again later, or tell your operator.") % {"name": settings.OIDC_NAME}
        ) from error


@require_safe
def confirm(request):
    """A link to there. A form's answer cannot lead to another site: our content security policy has browsers refuse it."""
    _require_set_up()
    context = {"sso": settings.OIDC_NAME, "next": request.GET.get("next", "")}
    return render(request, "accounts/confirm_elsewhere.html", context)


@login_not_required
@require_safe
def come_back(request, provider_id):
    _require_set_up()
    return views.callback(request, provider_id)


failed = login_not_required(TemplateView.as_view(template_name="socialaccount/authentication_error.html"))


def _require_set_up() -> None:
    if not settings.OIDC_ISSUER:
        raise NotFound(_("There is no single sign-on here. Sign in with your password."))
