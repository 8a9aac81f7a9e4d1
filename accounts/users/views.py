"""The page on which users change their own password."""

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from accounts.models import ApiKey
from accounts.pages import actor_of
from accounts.sign_in import throttling
from accounts.users import services
from accounts.users.forms import OwnPasswordForm
from faceplatform.errors import TooManyAttempts


@sensitive_post_parameters()
@never_cache
def password(request):
    if request.method != "POST":
        return _page(request, OwnPasswordForm(request.user))
    form = OwnPasswordForm(request.user, request.POST)
    try:
        with throttling.own_password(request, request.user.get_username()):
            valid = form.is_valid()
    except TooManyAttempts as error:
        response = _page(request, OwnPasswordForm(request.user), refused=error.message, status=error.status)
        response["Retry-After"] = str(error.retry_after)
        return response
    if not valid:
        return _page(request, form, status=400)
    ended = services.change_own_password(
        actor=actor_of(request),
        password=form.cleaned_data["new_password1"],
        end_keys=form.cleaned_data["end_keys"],
    )
    update_session_auth_hash(request, request.user)
    told = f" {ended} API keys have ended." if ended else ""
    messages.success(request, f"Your password is changed. Your other sessions have ended.{told}")
    return redirect("password")


def _page(request, form, *, refused: str = "", status: int = 200):
    keys = ApiKey.objects.usable_at(timezone.now()).filter(user=request.user).select_related("gallery").order_by("-id")
    return render(request, "accounts/password.html", {"form": form, "keys": keys, "refused": refused}, status=status)
