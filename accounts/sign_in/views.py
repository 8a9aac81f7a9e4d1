"""Signing in and out, second factors, confirming who one is: allauth's views, with the platform's limits.

The admin site has no sign-in of its own: its addresses lead here.
"""

from contextlib import contextmanager
from typing import Any

from allauth.account.views import LoginView, LogoutView, PasswordResetDoneView, PasswordResetView
from allauth.account.views import ReauthenticateView as PasswordAgain
from allauth.mfa.base.views import AuthenticateView
from allauth.mfa.base.views import ReauthenticateView as CodeAgain
from allauth.mfa.totp.views import ActivateTOTPView
from allauth.mfa.webauthn.views import LoginWebAuthnView, ReauthenticateWebAuthnView
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts import looks
from accounts.models import User
from accounts.sign_in import noting, throttling
from accounts.sign_in.forms import ForgottenForm, SignInForm
from faceplatform.errors import NotAllowed, NotFound, TooManyAttempts


class Limited:
    """A view of a form whose posts are counted by `limit`. Who posts too often sees the page with an unbound form and 429."""

    request: HttpRequest

    def limit(self, request: HttpRequest) -> Any:
        raise NotImplementedError

    def post(self, request, *args, **kwargs):
        try:
            with self.limit(request):
                return super().post(request, *args, **kwargs)  # type: ignore[misc]
        except TooManyAttempts as error:
            return self.refused(error)

    def refused(self, error: TooManyAttempts) -> HttpResponse:
        self.request.method = "GET"  # a bound form would check what was typed
        vars(self).pop("_cached_form", None)
        response = self.get(self.request)  # type: ignore[attr-defined]
        response.context_data["refused"] = error.message
        response.status_code = error.status
        response["Retry-After"] = str(error.retry_after)
        return response


class SignIn(Limited, LoginView):
    template_name = "accounts/sign_in.html"
    form_class = SignInForm

    def limit(self, request):
        _require_local()
        return throttling.attempt(request, request.POST.get("username", ""))

    def get_initial(self):
        """What was typed, after a refusal."""
        return {"login": self.request.POST.get("username", "")}

    def get_context_data(self, **kwargs):
        ways = {"by_mail": settings.SENDS_EMAIL, "local": settings.LOCAL_SIGN_IN}
        return super().get_context_data(**kwargs) | ways | {"sso": settings.OIDC_ISSUER and settings.OIDC_NAME}

    def get_next_url(self):
        """Not this page itself: who is signed in already would be sent round and round."""
        url = super().get_next_url()
        return None if url and url.partition("?")[0] == self.request.path else url

    def get_default_success_url(self):
        return reverse("home")


class SignOut(LogoutView):
    """Has the browser forget what it may still hold; browsers listen to this over https and on the machine itself."""

    http_method_names = ["post", "options"]

    def post(self, request, *args, **kwargs):
        response = super().post(request, *args, **kwargs)
        response["Clear-Site-Data"] = '"cache", "storage"'
        return response


class SecondFactor(Limited, AuthenticateView):
    template_name = "accounts/second_factor.html"

    @contextmanager
    def limit(self, request):
        user = self.stage.login.user
        with throttling.second_factor(request, user.get_username()), transaction.atomic():
            # One at a time: a recovery code that is sent twice at once works once.
            User.objects.select_for_update(no_key=True).get(pk=user.pk)
            yield

    def form_invalid(self, form):
        noting.failed(self.request, self.stage.login.user, looks.Kind.FACTOR_FAILED)
        return super().form_invalid(form)

    def refused(self, error):
        self.request.method = "GET"
        self._build_forms()
        return super().refused(error)


class SignInWithPasskey(LoginWebAuthnView):
    def post(self, request, *args, **kwargs):
        _require_local()
        with throttling.passkey(request):
            return super().post(request, *args, **kwargs)


class ConfirmWithPassword(Limited, PasswordAgain):
    template_name = "accounts/confirm.html"

    def limit(self, request):
        return throttling.own_password(request, request.user.get_username())


class ConfirmWithCode(Limited, CodeAgain):
    template_name = "accounts/confirm.html"

    def form_invalid(self, form):
        noting.failed(self.request, form.user, looks.Kind.FACTOR_FAILED)
        return super().form_invalid(form)

    def limit(self, request):
        return throttling.second_factor(request, request.user.get_username())


class ConfirmWithPasskey(Limited, ReauthenticateWebAuthnView):
    template_name = "accounts/confirm_with_passkey.html"

    def limit(self, request):
        return throttling.second_factor(request, request.user.get_username())

    def form_invalid(self, form):
        super().form_invalid(form)
        return redirect(self.passthrough_next_url(self.request.path))


class AddApp(Limited, ActivateTOTPView):
    template_name = "accounts/add_app.html"

    def limit(self, request):
        return throttling.second_factor(request, request.user.get_username())


class Forgotten(Limited, PasswordResetView):
    """A link by e-mail, where the platform can send e-mail."""

    template_name = "accounts/forgotten.html"
    form_class = ForgottenForm

    def setup(self, request, *args, **kwargs):
        if not (settings.SENDS_EMAIL and settings.LOCAL_SIGN_IN):
            raise NotFound(
                _("This platform sends no e-mail. Ask an administrator for a link to choose a new password.")
            )
        super().setup(request, *args, **kwargs)

    def limit(self, request):
        return throttling.reset(request, request.POST.get("email", ""))


forgotten_sent = PasswordResetDoneView.as_view(template_name="accounts/forgotten_sent.html")


def _require_local() -> None:
    if not settings.LOCAL_SIGN_IN:
        raise NotAllowed(_("Passwords are switched off here. Sign in with %(name)s.") % {"name": settings.OIDC_NAME})


@login_not_required
def admin_sign_in(request):
    """Where the admin site sends those who may not enter it."""
    address = request.GET.get("next", reverse("admin:index"))
    if not request.user.is_authenticated:
        return redirect_to_login(address, reverse("sign-in"))
    if not request.user.is_staff:
        raise NotAllowed(_("The admin site is for staff. Ask an operator to make you one of them."))
    return redirect("admin:index")
