"""One's own account: name, password, second factors, sessions."""

from allauth.account.views import PasswordChangeView, PasswordResetFromKeyView
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.sessions.models import Session
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.models import ApiKey
from accounts.pages import actor_of
from accounts.sign_in import throttling
from accounts.sign_in.devices import device_of
from accounts.sign_in.factors import needs_factor
from accounts.sign_in.views import Limited
from accounts.users import services
from accounts.users.forms import DisplayForm, NameForm, NewPasswordForm, OwnPasswordForm
from faceplatform.errors import DomainError, NotAllowed, NotFound


@require_safe
@never_cache
def account(request):
    """Everything about one's own account; names of factors and sessions lead to acts."""
    return _page(request)


@require_POST
def change_name(request):
    form = NameForm(request.POST)
    return _saved(request, form, services.change_own_name) or _page(request, form, status=400)


@require_POST
def change_display(request):
    form = DisplayForm(request.POST)
    return _saved(request, form, services.change_own_display) or _page(request, display=form, status=400)


def _saved(request, form, service):
    """The way back to the page; None if the form, or the service, says what is wrong."""
    if not form.is_valid():
        return None
    try:
        service(actor=actor_of(request), **form.cleaned_data)
    except DomainError as error:
        form.add_error(None, error.message)
        return None
    messages.success(request, _("Saved."))
    return redirect("account")


@require_POST
def end_session(request, pk):
    session = UserSession.objects.filter(user=request.user, pk=pk).first()
    if session is None:
        raise NotFound(_("You have no such session, or it has ended already."))
    services.end_session(actor=actor_of(request), session=session)
    messages.success(request, _("The session has ended."))
    return redirect("account")


class OwnPassword(Limited, PasswordChangeView):
    template_name = "accounts/password.html"
    form_class = OwnPasswordForm

    def setup(self, request, *args, **kwargs):
        if not request.user.has_usable_password():
            raise NotAllowed(_("You sign in without a password here. There is none to be changed."))
        super().setup(request, *args, **kwargs)

    def limit(self, request):
        return throttling.own_password(request, request.user.get_username())

    def get_context_data(self, **kwargs):
        keys = ApiKey.objects.usable_at(timezone.now()).filter(user=self.request.user).select_related("gallery")
        return super().get_context_data(**kwargs) | {"keys": keys.order_by("-id")}

    def form_invalid(self, form):
        return self.render_to_response(self.get_context_data(form=form), status=400)

    def get_default_success_url(self):
        return reverse("account")


class ChosenPassword(PasswordResetFromKeyView):
    """For who follows a link: from an e-mail, or handed over by an administrator."""

    template_name = "accounts/choose_password.html"
    form_class = NewPasswordForm


def _sessions(user):
    """Those that go on, the last used first; rows of others are deleted. allauth asks for each one by itself."""
    going_on = Session.objects.filter(expire_date__gt=timezone.now()).values("session_key")
    rows = UserSession.objects.filter(user=user)
    rows.exclude(session_key__in=going_on).delete()
    return rows.order_by("-last_seen_at")


def _page(request, form=None, *, display=None, status: int = 200):
    factors = Authenticator.objects.filter(user=request.user).order_by("created_at")
    by_kind = {kind: [factor for factor in factors if factor.type == kind] for kind in Authenticator.Type.values}
    context = {
        "form": form or NameForm(instance=request.user),
        "display": display or DisplayForm(instance=request.user),
        "apps": by_kind["totp"],
        "passkeys": by_kind["webauthn"],
        "codes": [len(factor.wrap().get_unused_codes()) for factor in by_kind["recovery_codes"]],
        "must_have_factor": needs_factor(request.user),
        "sessions": [
            {"row": row, "device": device_of(row.user_agent), "current": row.is_current()}
            for row in _sessions(request.user)
        ],
        "keys": ApiKey.objects.usable_at(timezone.now()).filter(user=request.user).count(),
    }
    return render(request, "accounts/account.html", context, status=status)
