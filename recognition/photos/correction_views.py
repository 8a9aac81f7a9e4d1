"""A curator's word on a face, from its card: right, not X, somebody else, a new person. Each answers with the card's result."""

from django.contrib import messages
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.models import AuditEvent
from accounts.pages import actor_of, get_visible, offer_undo
from faceplatform.errors import Conflict, DomainError, InvalidInput, NotFound, Unprocessable
from gallery.models import Identity, QualityGate
from recognition.photos.corrections import MEANWHILE, confirm_face, name_face
from recognition.photos.forms import NameFaceForm, NewFaceForm, RejectForm, ShownForm
from recognition.photos.models import RecognitionFace, RecognitionRequest
from recognition.photos.page_context import namesake
from recognition.photos.recognise_views import result_page, shown_result
from recognition.photos.rejections import reject_identity

WITHOUT_A_SAMPLE = ("duplicate_photo", "pack_changed")  # a face that cannot be enrolled may still get its name


@require_POST
def confirm(request, pk, index):
    """The button "Right"."""
    face = _face(request, pk, index)
    form = ShownForm(face.request.gallery, request.POST)
    if not form.is_valid() or not form.cleaned_data["was"]:
        return _refused(request, face, Conflict(_(MEANWHILE)))
    shown = form.cleaned_data["was"]
    try:
        event = confirm_face(actor=actor_of(request), face=face, shown=shown)
    except (Conflict, InvalidInput) as error:
        return _refused(request, face, error)
    return _done(request, face, _("Noted: this is %(name)s.") % {"name": shown.name}, event)


@require_POST
def reject(request, pk, index):
    """The button "Not X"."""
    face = _face(request, pk, index)
    form = RejectForm(face.request.gallery, request.POST)
    if not form.is_valid():
        raise NotFound(_("There is no such person."))
    identity = form.cleaned_data["identity"]
    try:
        event = reject_identity(actor=actor_of(request), face=face, identity=identity)
    except (Conflict, InvalidInput) as error:
        return _refused(request, face, error)
    return _done(request, face, _("Saved: this is not %(name)s.") % {"name": identity.name}, event)


@require_POST
def name(request, pk, index):
    """The buttons that say who the face is: somebody of the gallery, or a new person."""
    face = _face(request, pk, index)
    kind = NameFaceForm if request.POST.get("to") else NewFaceForm
    form = kind(face.request.gallery, request.POST)
    if not form.is_valid():
        return _refused(request, face, InvalidInput(_errors(form)))
    data = form.cleaned_data
    if "name" in data and not data["another"] and (other := namesake(face.request.gallery, data["name"])):
        error = Conflict(_("There is already a %(name)s in this gallery.") % {"name": other.name})
        return _refused(request, face, error, other=other)
    try:
        named = name_face(
            actor=actor_of(request),
            face=face,
            shown=data["was"],
            enrol=data["enrol"] != "no",
            gate=QualityGate.OFF if data["enrol"] == "anyway" else "",
            **form.person(),
        )
    except (Conflict, InvalidInput, Unprocessable) as error:
        return _refused(request, face, error)
    text = (
        _("Saved: this is %(name)s. The face was enrolled.")
        if named.sample
        else _("Saved: this is %(name)s. The face was not enrolled.")
    )
    return _done(request, face, text % {"name": named.identity.name}, named.event)


def _face(request, pk, index) -> RecognitionFace:
    rows = RecognitionRequest.objects.recognitions().defer("photo").select_related("gallery")
    face = get_visible(rows, request, pk=pk).faces.filter(index=index).first()
    if face is None:
        raise NotFound(_("There is no such face."))
    return face


def _errors(form) -> str:
    return " ".join(
        f"{form.fields[field].label or ''} {error}".strip() for field, errors in form.errors.items() for error in errors
    )


def _done(request, face: RecognitionFace, text: str, event: AuditEvent):
    """In the card where there is a script, else at the top of the page; with the undo."""
    if not request.htmx:
        offer_undo(request, text, event)
        return redirect("recognition", face.request_id)
    said = {"index": face.index, "text": text, "event": event.pk}
    return result_page(request, shown_result(request, face.request_id, said=said))


def _refused(request, face: RecognitionFace, error: DomainError, other: Identity | None = None):
    """Nothing was changed; the card says why, and what can be done about it."""
    ways = _ways_on(request, error, other)
    if not request.htmx and not ways:
        messages.error(request, error.message)
        return redirect("recognition", face.request_id)
    kept = ("was", "to", "name", "another", "local", "consent_by", "consent_at", "consent_until")
    hidden = [(key, request.POST[key]) for key in kept if request.POST.get(key)]
    if other:
        hidden = [(key, value) for key, value in hidden if key != "another"]
    refused = {"index": face.index, "message": error.message, "hidden": hidden, "ways": ways}
    return result_page(request, shown_result(request, face.request_id, refused=refused), error.status)


def _ways_on(request, error: DomainError, other: Identity | None) -> list[tuple[str, str, str]]:
    """Buttons: name, value and words."""
    if other:
        return [
            ("to", str(other.pk), _("It is this %(name)s") % {"name": other.name}),
            ("another", "on", _("Another person of this name")),
        ]
    ways = []
    if isinstance(error, Unprocessable):
        ways.append(("enrol", "anyway", _("Enrol anyway")))
    if request.POST.get("to") and (ways or error.code in WITHOUT_A_SAMPLE):
        ways.append(("enrol", "no", _("Save the name alone")))
    return ways
