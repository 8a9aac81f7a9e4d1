"""Who is a member of a gallery, with which role, for its owners."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from accounts.confirmation import confirmed
from accounts.models import Membership, User
from accounts.pages import actor_of, get_visible, site_of
from accounts.roles import Role
from accounts.users import invitations, services
from accounts.users.people_views import handed_over
from faceplatform.errors import Conflict, DomainError, InvalidInput
from gallery.models import Gallery
from recognition.gallery_settings.forms import MemberForm, RoleForm
from recognition.gallery_settings.views import gallery_for

PER_PAGE = 50


@never_cache
@confirmed
def members(request, slug):
    """The members, and a form for another one. Who has no account yet gets a link, shown only in the response to the form."""
    gallery = gallery_for(request, slug, Role.OWNER)
    form = MemberForm(request.POST if request.method == "POST" else None)
    if request.method != "POST" or not form.is_valid():
        return _page(request, gallery, form, status=400 if form.is_bound else 200)
    try:
        return _add(request, gallery, **form.cleaned_data)
    except DomainError as error:
        form.add_error(None, error.message)
        return _page(request, gallery, form, status=error.status)


def _add(request, gallery: Gallery, username: str, email: str, role: Role):
    """Gives an account that is there the role; makes one that is not."""
    user = User.objects.filter(username=User.normalize_username(username.strip()), is_active=True).first()
    if user is None:
        invited, path = invitations.invite(
            actor=actor_of(request),
            username=username,
            email=email,
            gallery=gallery,
            role=role,
            site=site_of(request),
        )
        return _page(request, gallery, MemberForm(), link=(invited, path))
    if Membership.objects.filter(gallery=gallery, user=user).exists():
        raise Conflict(_("%(user)s is a member already. Change the role in the list.") % {"user": user})
    services.set_membership(actor=actor_of(request), gallery=gallery, user=user, role=role)
    told = _("%(user)s is %(role)s of %(gallery)s now.")
    messages.success(request, told % {"user": user, "role": role.in_a_sentence, "gallery": gallery})
    return redirect("members", gallery.slug)


@require_POST
@confirmed
def set_role(request, slug, pk):
    gallery, row = _membership(request, slug, pk)
    form = RoleForm(request.POST)
    if not form.is_valid():
        raise InvalidInput(_("Choose a role."))
    before, role = Role(row.role), form.cleaned_data["role"]
    told = _("%(user)s is %(role)s now, and was %(before)s.") % {
        "user": row.user,
        "role": role.in_a_sentence,
        "before": before.in_a_sentence,
    }
    return _done(request, gallery, told, services.set_membership, gallery=gallery, user=row.user, role=role)


@require_POST
@confirmed
def remove(request, slug, pk):
    gallery, row = _membership(request, slug, pk)
    told = _("%(user)s is no member any more. The account stays.") % {"user": row.user}
    return _done(request, gallery, told, services.remove_membership, membership=row)


def _membership(request, slug, pk) -> tuple[Gallery, Membership]:
    gallery = gallery_for(request, slug, Role.OWNER)
    rows = Membership.objects.select_related("user", "gallery")
    return gallery, get_visible(rows, request, gallery=gallery, pk=pk)


def _done(request, of: Gallery, told: str, service, **values):
    """Does it, and says so or why not on the next page: the list, or the people for who is no owner any more."""
    actor = actor_of(request)
    try:
        service(actor=actor, **values)
        messages.success(request, told)
    except Conflict as error:
        messages.error(request, error.message)
    role = actor.role_in(of)
    if role is None:
        return redirect("galleries")
    return redirect("members" if role == Role.OWNER else "dashboard", of.slug)


def _page(request, gallery: Gallery, form, *, link: tuple[User, str] | None = None, status: int = 200):
    rows = Membership.objects.filter(gallery=gallery).select_related("user").order_by("-role", "user__username")
    context = {
        "gallery": gallery,
        "form": form,
        "page": Paginator(rows, PER_PAGE).get_page(request.GET.get("page")),
        "roles": Role.choices,
    }
    if link is not None:
        context |= handed_over(request, *link)
    return render(request, "recognition/members.html", context, status=status)
