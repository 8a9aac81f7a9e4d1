"""A camera's kiosks, for its gallery's owners; and what a kiosk's browser sees, which is signed in by a cookie of its own."""

import functools

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.actor import Actor, Via
from accounts.pages import actor_of, get_visible
from accounts.sign_in import throttling
from faceplatform.errors import DomainError
from faceplatform.sealed import seal, unseal
from faceplatform.web.webcam import uses_webcam
from recognition.cameras.models import Camera, CameraKind
from recognition.cameras.services import require_owner
from recognition.kiosks import services
from recognition.kiosks.callers import COOKIE
from recognition.kiosks.forms import CodeForm, KioskForm
from recognition.kiosks.models import Kiosk

NEW = "new_kiosk"  # in the session, until the next page has shown it
KEY_HOLDS = 400 * 86_400  # seconds: as long as browsers keep a cookie; each visit of the page renews it


# --- For owners -------------------------------------------------------------------------------------------------------
def kiosks(request, slug, pk):
    """A camera's kiosks, and a form for another, whose code is shown once."""
    camera = get_visible(Camera.objects.select_related("gallery"), request, gallery__slug=slug, pk=pk)
    require_owner(actor_of(request), camera.gallery)
    if camera.kind != CameraKind.WEBCAM:
        return redirect("camera", slug, pk)
    form, status = KioskForm(request.POST or None), 200
    if request.method == "POST":
        status = 400
        if form.is_valid():
            try:
                made, code = services.make_kiosk(actor=actor_of(request), camera=camera, **form.cleaned_data)
                request.session[NEW] = seal({"name": made.name, "code": code})
                return redirect("kiosks", slug, pk)  # so that loading the page again makes no other
            except DomainError as error:
                form.add_error(None, error.message)
                status = error.status
    context = {
        "gallery": camera.gallery, "camera": camera, "kiosks": camera.kiosks.select_related("created_by"), "form": form,
        "new": unseal(request.session.pop(NEW)) if NEW in request.session else None,
        "address": request.build_absolute_uri(reverse("kiosk")),
    }  # fmt: skip
    return render(request, "recognition/kiosks.html", context, status=status)


@require_POST
def end(request, slug, pk, kiosk):
    rows = Kiosk.objects.select_related("gallery")
    row = get_visible(rows, request, gallery__slug=slug, camera=pk, pk=kiosk)
    services.end_kiosk(actor=actor_of(request), kiosk=row)
    messages.success(request, _("%(name)s is no kiosk any more.") % {"name": row.name})
    return redirect("kiosks", slug, pk)


# --- For the kiosk ----------------------------------------------------------------------------------------------------
@login_not_required
@uses_webcam
def kiosk(request):
    """The kiosk's page; in a browser that is none, a form for the code that makes it one."""
    if request.method == "POST":
        return _start(request)
    try:
        row = services.kiosk_of(request.COOKIES.get(COOKIE, ""))
    except DomainError:
        return _code_page(request, CodeForm(initial={"code": request.GET.get("code", "")[:20]}))
    response = render(request, "recognition/kiosk.html", {"kiosk": row})
    _let_in(response, request.COOKIES[COOKIE])
    return response


def _start(request):
    """Signs this browser out as well: who stands before a kiosk is to see nothing else."""
    form = CodeForm(request.POST)
    if not form.is_valid():
        return _code_page(request, form, status=400)
    try:
        with throttling.guess(request):
            actor = actor_of(request) if request.user.is_authenticated else Actor.of_visitor(request, Via.WEB)
            _, key = services.start_kiosk(actor=actor, code=form.cleaned_data["code"])
    except DomainError as error:
        form.add_error(None, error.message)
        return _code_page(request, form, status=error.status)
    logout(request)
    response = redirect("kiosk")
    _let_in(response, key)
    return response


def _code_page(request, form: CodeForm, *, status: int = 200) -> HttpResponse:
    return render(request, "recognition/kiosk_code.html", {"form": form}, status=status)


def _let_in(response: HttpResponse, key: str) -> None:
    response.set_cookie(
        COOKIE, key, max_age=KEY_HOLDS, path=reverse("kiosk"), secure=settings.SESSION_COOKIE_SECURE, httponly=True,
        samesite="Lax",
    )  # fmt: skip


def for_kiosks(view):
    """Decorates what a kiosk's script calls: the view gets the kiosk, and errors are answered as JSON."""

    @login_not_required
    @functools.wraps(view)
    def answered(request):
        try:
            return view(request, services.kiosk_of(request.COOKIES.get(COOKIE, "")))
        except DomainError as error:
            response = JsonResponse({"code": error.code, "detail": error.message}, status=error.status)
            if error.retry_after:
                response["Retry-After"] = str(error.retry_after)
            return response

    return answered


@require_POST
@for_kiosks
def frames(request, row: Kiosk):
    """The body is one JPEG, as for a camera's frames over the API."""
    services.post_frame(kiosk=row, jpeg=request.body)
    return HttpResponse(status=204)


@require_safe
@for_kiosks
def seen(request, row: Kiosk):
    """{"seen": {"name": str|null, "at": time}|null}: whom the camera sees now; a name of null is somebody not known."""
    found = services.seen_now(row)
    return JsonResponse({"seen": found and {"name": found.name, "at": found.at.isoformat()}})
