"""The page “Users”: for operators everybody, for owners of galleries the members of these."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from accounts.confirmation import confirmed
from accounts.mails.services import is_reached
from accounts.models import Membership, User
from accounts.pages import actor_of, site_of
from accounts.users import invitations, services
from accounts.users.forms import ROLES, InvitationForm, RoleForm
from accounts.users.reading import described, matching, visible_users
from faceplatform.errors import Conflict, DomainError, NotFound

PER_PAGE = 50


@never_cache
@confirmed
def users(request):
    """The accounts, and a form to invite somebody. The link is shown only in the response to the form."""
    actor = actor_of(request)
    visible_users(actor)
    form = InvitationForm(actor, request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return _page(request, form, status=400 if form.is_bound else 200)
    try:
        user, path = invitations.invite(actor=actor, site=site_of(request), **form.cleaned_data)
    except DomainError as error:
        form.add_error(None, error.message)
        return _page(request, form, status=error.status)
    return _page(request, InvitationForm(actor), link=(user, path))


@require_POST
@never_cache
@confirmed
def make_link(request, pk):
    """A new link with which the user chooses a password, shown once."""
    actor, user = actor_of(request), _user(request, pk)
    path = invitations.make_link(actor=actor, user=user, site=site_of(request))
    return _page(request, InvitationForm(actor), link=(user, path))


@require_POST
@confirmed
def set_role(request, pk):
    actor, user = actor_of(request), _user(request, pk)
    form = RoleForm(actor, request.POST)
    if not form.is_valid():
        raise NotFound(_("Choose a gallery of yours and a role."))
    gallery, role = form.cleaned_data["gallery"], form.cleaned_data["role"]
    membership = Membership.objects.filter(user=user, gallery=gallery).select_related("user", "gallery").first()
    if role is not None:
        return _done(
            request,
            _("%(user)s is %(role)s of %(gallery)s now.")
            % {"user": user, "role": role.in_a_sentence, "gallery": gallery},
            services.set_membership,
            gallery=gallery,
            user=user,
            role=role,
        )
    if membership is None:
        raise Conflict(_("%(user)s is not a member of “%(gallery)s”.") % {"user": user, "gallery": gallery})
    return _done(
        request,
        _("%(user)s has no access to %(gallery)s any more.") % {"user": user, "gallery": gallery},
        services.remove_membership,
        membership=membership,
    )


@require_POST
@confirmed
def switch(request, pk, active):
    user = _user(request, pk)
    told = (
        _("%(user)s may sign in again.")
        if active
        else _("%(user)s cannot sign in any more. Sessions have ended, keys are refused.")
    )
    return _done(request, told % {"user": user}, services.set_active, user=user, active=active)


@require_POST
@confirmed
def unlock(request, pk):
    user = _user(request, pk)
    return _done(request, _("Failed attempts at %(user)s are forgotten.") % {"user": user}, services.unlock, user=user)


@require_POST
@confirmed
def reset_factors(request, pk):
    user = _user(request, pk)
    told = _("%(user)s has no second factor any more, and sessions have ended.") % {"user": user}
    return _done(request, told, services.reset_factors, user=user)


def _done(request, told: str, service, **values):
    """Does it, and says so or why not on the next page."""
    try:
        service(actor=actor_of(request), **values)
        messages.success(request, told)
    except Conflict as error:
        messages.error(request, error.message)
    return redirect("users")


def _user(request, pk) -> User:
    user = visible_users(actor_of(request)).filter(pk=pk).first()
    if user is None:
        raise NotFound(_("There is no such account, or you have no access to it."))
    return user


def _page(request, form, *, link=None, status: int = 200):
    actor = actor_of(request)
    query = request.GET.get("q", "").strip()
    rows = matching(visible_users(actor), query).order_by("username")
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "form": form,
        "page": page,
        "rows": described(actor, page.object_list),
        "query": query,
        "galleries": list(RoleForm(actor).galleries),  # once for all rows
        "roles": ROLES,
        "may_all": actor.sees_everything,
    }
    if link is not None:
        context |= handed_over(request, *link)
    return render(request, "accounts/users.html", context, status=status)


def handed_over(request, user: User, path: str) -> dict:
    """The link as the page shows it, and whether it is also on its way to the user."""
    return {"link": request.build_absolute_uri(path), "link_of": user, "sent": is_reached(user)}
