"""The page “API keys”, for the user's own keys."""

from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from accounts.confirmation import confirmed
from accounts.keys import services
from accounts.keys.forms import ApiKeyForm
from accounts.models import ApiKey
from accounts.pages import actor_of
from faceplatform.errors import DomainError, NotFound


@never_cache
@confirmed
def api_keys(request):
    """The user's keys, and a form for a new one. A new key is shown only in the response to the form."""
    actor = actor_of(request)
    form = ApiKeyForm(actor, request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return _page(request, form, status=400 if form.is_bound else 200)
    try:
        row, key = services.create_api_key(actor=actor, user=request.user, **form.cleaned_data)
    except DomainError as error:
        form.add_error(None, error.message)
        return _page(request, form, status=error.status)
    return _page(request, ApiKeyForm(actor), new=(row, key))


@require_POST
@never_cache
@confirmed
def rotate(request, pk):
    """Replaces a key by a new one; the old one stays valid for a day."""
    key = _key(request, pk)
    try:
        new = services.rotate_api_key(actor=actor_of(request), api_key=key)
    except DomainError as error:
        messages.error(request, error.message)
        return redirect("api-keys")
    return _page(request, ApiKeyForm(actor_of(request)), new=new, replaced=True)


@require_POST
def revoke(request, pk):
    key = _key(request, pk)
    services.revoke_api_key(actor=actor_of(request), api_key=key)
    messages.success(
        request, _("Revoked %(key)s. Calls with it are refused from now on.") % {"key": key.name or key.prefix}
    )
    return redirect("api-keys")


def _page(request, form, *, new=(None, None), replaced: bool = False, status: int = 200):
    row, key = new
    keys = ApiKey.objects.filter(user=request.user).select_related("gallery").order_by("-id")
    context = {"form": form, "keys": keys, "new": row, "key": key, "replaced": replaced}
    return render(request, "accounts/api_keys.html", context, status=status)


def _key(request, pk) -> ApiKey:
    key = ApiKey.objects.filter(user=request.user, pk=pk).select_related("user", "gallery").first()
    if key is None:
        raise NotFound(_("You have no such API key."))
    return key
