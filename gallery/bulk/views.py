"""Acts on the people who are ticked on the page of people, or on all who match its filters."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts import looks
from accounts.actor import Actor
from accounts.pages import actor_of, get_visible, offer_undo
from accounts.roles import Role
from faceplatform.errors import Conflict, InvalidInput
from faceplatform.spreadsheet import csv_blocks
from faceplatform.web.streaming import download
from gallery.bulk import services, told
from gallery.bulk.moving import move_people
from gallery.bulk.services import Done
from gallery.bulk.told import Told
from gallery.forms import ConsentForm
from gallery.models import Gallery, Identity
from gallery.people_filter import PeopleFilter

FLAGS = {  # act → what it sets, and in words
    "inactive": ({"active": False}, told.INACTIVE),
    "active": ({"active": True}, told.ACTIVE),
    "hide": ({"hidden": True}, told.HIDDEN),
    "show": ({"hidden": False}, told.SHOWN),
}
Outcome = tuple[Told, dict[str, str], Done]  # what was done in words, what stands in them, and how many it was
COLUMNS = ("name", "external_id", "department", "position", "active", "hidden", "consent", "consent_by", "consent_at",
           "consent_until", "last_recognized_at", "created_at")  # fmt: skip


@require_POST
def many(request, slug, act):
    """Does `act` with the ticked people, offers one undo for all, and returns to the page with the button."""
    gallery = get_visible(Gallery.objects.all(), request, slug=slug)
    actor = actor_of(request)
    actor.require_role(gallery, Role.CURATOR)
    people = _chosen(gallery, request.POST)
    back = request.POST.get("back", "")
    safe = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    try:
        services.require_some(people)
        if act == "export":
            return _export(request, gallery, people)
        if act == "move" and not request.POST.get("to"):
            return _where_to(request, gallery, people)
        words, values, done = _act(actor, gallery, people, act, request.POST)
    except (Conflict, InvalidInput) as error:
        messages.error(request, error.message)
    else:
        _tell(request, told.sentences(words, done, values), done)
    return redirect(back if safe else reverse("dashboard", args=[slug]))


def _chosen(gallery: Gallery, form: QueryDict) -> list[UUID]:
    """All who match the filters, if this was ticked, or else the ticked ones; the one that was ticked first is the first."""
    if form.get("all"):
        rows = PeopleFilter(gallery, QueryDict(form.get("filter", ""))).rows()
        return list(rows.order_by("name", "id").values_list("pk", flat=True))
    return list(dict.fromkeys(filter(None, map(_uuid, [form.get("into", ""), *form.getlist("people")]))))


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _act(actor: Actor, gallery: Gallery, people: list[UUID], act: str, form: QueryDict) -> Outcome:
    if act in FLAGS:
        fields, words = FLAGS[act]
        return words, {}, services.change_people(actor=actor, gallery=gallery, people=people, **fields)
    acts: dict[str, Callable[[], Outcome]] = {
        "department": lambda: _set_department(actor, gallery, people, form.get("department", "")),
        "consent": lambda: _note_consent(actor, gallery, people, form),
        "delete": lambda: (told.DELETED, {}, services.delete_people(actor=actor, gallery=gallery, people=people)),
        "merge": lambda: _merge(actor, gallery, people),
        "move": lambda: _move(actor, gallery, people, form.get("to", "")),
    }
    return acts[act]()


def _set_department(actor: Actor, gallery: Gallery, people: list[UUID], name: str) -> Outcome:
    done = services.change_people(actor=actor, gallery=gallery, people=people, department=name)
    return told.IN_DEPARTMENT if name.strip() else told.IN_NO_DEPARTMENT, {"department": name.strip()}, done


def _note_consent(actor: Actor, gallery: Gallery, people: list[UUID], data: QueryDict) -> Outcome:
    form = ConsentForm(data, instance=Identity(gallery=gallery, name="Somebody"))
    if not form.is_valid():
        raise InvalidInput(" ".join(str(error) for errors in form.errors.values() for error in errors))
    values: dict[str, Any] = {name: value for name, value in form.cleaned_data.items() if name != "seen"}
    done = services.change_people(actor=actor, gallery=gallery, people=people, **values)
    return told.CONSENT_NOTED, {"consent": form.instance.get_consent_display().lower()}, done


def _merge(actor: Actor, gallery: Gallery, people: list[UUID]) -> Outcome:
    done = services.merge_people(actor=actor, gallery=gallery, people=people)
    assert done.event is not None
    return told.MERGED, {"into": done.event.object_name}, done


def _where_to(request, gallery: Gallery, people: list[UUID]):
    """Asks for the gallery that they are to move to; the form brings the ticked people along."""
    choices = Gallery.objects.visible_to(actor_of(request), Role.CURATOR).exclude(pk=gallery.pk).order_by("name")
    names = ("people", "into", "all", "filter", "back")
    brought = [(name, value) for name in names for value in request.POST.getlist(name)]
    context = {"gallery": gallery, "count": len(people), "choices": choices, "brought": brought}
    return render(request, "gallery/move_people.html", context)


def _move(actor: Actor, gallery: Gallery, people: list[UUID], slug: str) -> Outcome:
    to = Gallery.objects.visible_to(actor, Role.CURATOR).filter(slug=slug).first()
    if to is None:
        raise InvalidInput(_("Choose one of the galleries of which you are a curator."))
    return told.MOVED, {"to": to.name}, move_people(actor=actor, gallery=gallery, people=people, to=to)


def _tell(request, text: str, done: Done) -> None:
    if done.event:
        offer_undo(request, text, done.event)
    else:
        messages.info(request, text)


def _export(request, gallery: Gallery, people: list[UUID]):
    """A CSV of the ticked people's data, without pictures."""
    looks.seen(request, looks.Kind.PEOPLE, gallery=gallery)
    rows = gallery.identities.filter(pk__in=people).with_portrait().order_by("name", "id")
    blocks = (block.encode() for block in csv_blocks(_lines(rows)))
    return download(request, blocks, name=f"people-{gallery.slug}.csv", content_type="text/csv; charset=utf-8")


def _lines(rows) -> Iterator[list[str]]:
    yield [*COLUMNS, "faces"]
    for row in rows.iterator(chunk_size=500):
        yield [*(_cell(getattr(row, name)) for name in COLUMNS), str(row.sample_count)]


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value.isoformat() if hasattr(value, "isoformat") else str(value or "")
