"""The start page: who is here today, who is missing, who is unknown, and what waits for somebody."""

from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts import looks
from accounts.pages import actor_of, get_visible
from accounts.roles import Role
from gallery.models import Gallery
from recognition.demo.samples import is_demo
from recognition.today import reading


@require_safe
def home(request):
    """The gallery last visited, or else the first: its day, or its people as long as nobody could be seen in it. Without any
    gallery, the first steps."""
    galleries = Gallery.objects.visible_to(actor_of(request))
    last = galleries.filter(slug=request.session.get("gallery", "")).first() or galleries.first()
    if last is None:
        return redirect("welcome")
    return redirect("today" if reading.begins_with_today(last) else "dashboard", last.slug)


@require_safe
def today(request, slug):
    """The day so far. What comes later waits behind “3 new – show”."""
    gallery = get_visible(Gallery.objects.all(), request, slug=slug)
    if request.session.get("gallery") != slug:
        request.session["gallery"] = slug
    looks.seen(request, looks.Kind.PEOPLE, gallery=gallery)
    day = reading.today_of(gallery)
    context = _live(request, day)
    seen, missing = reading.seen_and_missing(day)
    context |= {
        "seen": seen,
        "missing": missing,
        "is_demo": is_demo(gallery),
        "not_shown": context["figures"]["expected"] - context["figures"]["seen"] - len(missing),
        "unknown": list(reading.unknown_people(day)),
        "alerts": list(reading.latest_alerts(gallery)),
    }
    return _page(request, "recognition/today.html", context)


@require_safe
def news(request, slug):
    """The figures and the states of the cameras as they are now, each for its place on the page, and how many people came since
    it was shown: ?seen=, ?unknown= of then. For htmx."""
    gallery = get_visible(Gallery.objects.all(), request, slug=slug)
    context = _live(request, reading.today_of(gallery))
    shown = {name: _number(request.GET.get(name)) for name in ("seen", "unknown")}
    count = sum(max(0, context["figures"][name] - before) for name, before in shown.items() if before is not None)
    return _page(request, "recognition/_today_news.html", context | {"shown": shown, "count": count, "oob": True})


def _live(request, day: reading.Day) -> dict:
    may_enrol = (actor_of(request).role_in(day.gallery) or Role.VIEWER) >= Role.CURATOR
    figures = reading.figures_of(day, may_enrol=may_enrol)
    cameras = reading.cameras_of(day.gallery)
    return {
        "gallery": day.gallery,
        "day": day.date,
        "may_enrol": may_enrol,
        "figures": figures,
        "shown": figures,
        "cameras": cameras,
        "live": sum(words.is_live for _, words in cameras),
    }


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else None


def _page(request, template: str, context: dict):
    """With the times of the gallery's zone."""
    with timezone.override(context["gallery"].zone):
        return render(request, template, context)
