"""The search of the bar: people, unknown people by their number, and recognitions by the photo's name."""

from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from accounts import looks
from accounts.pages import actor_of, get_visible
from gallery.models import Gallery
from recognition.finding import reading

ON_PAGE, SUGGESTED = 60, 6


@require_safe
def find(request, slug):
    """What is found for ?q=; a full name that one person has leads there. htmx gets suggestions while it is typed."""
    gallery = get_visible(Gallery.objects.all(), request, slug=slug)
    text = reading.cleaned(request.GET.get("q", ""))
    if not request.htmx and text and (person := reading.the_only_one_called(gallery, text)):
        return redirect(person)
    looks.seen(request, looks.Kind.PEOPLE, gallery=gallery)
    most = SUGGESTED if request.htmx else ON_PAGE
    found = reading.find(actor=actor_of(request), gallery=gallery, text=text, most=most)
    template = "recognition/_suggestions.html" if request.htmx else "recognition/find.html"
    return render(request, template, {"gallery": gallery, "query": text, "found": found})
