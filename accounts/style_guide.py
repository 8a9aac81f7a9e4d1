"""The style guide: every component of the pages with its variants, in both themes. For who builds pages, and for the tests."""

import re
from pathlib import Path

from django import forms
from django.contrib.staticfiles import finders
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from faceplatform.errors import NotFound

LONG = "Maximiliane-Wilhelmina Freifrau von Hohenstein-Wackerbarthsruhe"
PEOPLE = (
    {"name": "Ada Lovelace", "active": True},
    {"name": "Ben Okafor", "active": False},
    {"name": LONG, "active": True},
)


class SampleForm(forms.Form):
    name = forms.CharField(label=gettext_lazy("Name"), help_text=gettext_lazy("As on the badge."))
    role = forms.ChoiceField(
        label=gettext_lazy("Role"),
        choices=[("viewer", gettext_lazy("Viewer")), ("curator", gettext_lazy("Curator"))],
    )
    note = forms.CharField(label=gettext_lazy("Note"), widget=forms.Textarea(attrs={"rows": 2}), required=False)
    active = forms.BooleanField(label=gettext_lazy("Active"), help_text=gettext_lazy("Is looked for."), required=False)


@require_safe
def style_guide(request: HttpRequest) -> HttpResponse:
    if not (request.user.is_authenticated and request.user.is_staff):
        raise NotFound(_("There is nothing here, or you have no access to it."))
    context = {
        "themes": [{"name": name, "form": _wrong_form(name)} for name in ("light", "dark")],
        "people": PEOPLE,
        "long": LONG,
        "page": Paginator(range(100), 10).page(3),
        "icons": _icons(),
    }
    return render(request, "accounts/style_guide.html", context)


def _wrong_form(prefix: str) -> SampleForm:
    """One with each kind of complaint; the ids of its fields begin with `prefix`."""
    form = SampleForm({f"{prefix}-name": "", f"{prefix}-role": "viewer"}, prefix=prefix)
    form.add_error(None, _("Somebody is called so already."))
    return form


def _icons() -> list[str]:
    """The names in the sprite."""
    sprite = finders.find("faceplatform/icons.svg")
    return re.findall(r'id="([\w-]+)"', Path(str(sprite)).read_text()) if sprite else []
