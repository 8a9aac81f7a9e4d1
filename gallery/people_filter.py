"""The filters of the page of people, as its address has them; acts on all who match read the same address."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django import forms
from django.core.paginator import Paginator
from django.db.models import Count, F, Q
from django.db.models.functions import Left, Upper
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from gallery.models import Gallery
from gallery.querysets import IdentityQuerySet

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

SORTS: dict[str, tuple["StrOrPromise", list[Any]]] = {
    "name": (_("By name"), ["name", "id"]),
    "seen": (_("Last seen first"), [F("last_recognized_at").desc(nulls_last=True), "name", "id"]),
    "new": (_("Newest first"), ["-created_at", "-id"]),
    "faces": (_("Most faces first"), ["-sample_count", "name", "id"]),
}
STATES = {"active": _("Active"), "inactive": _("Inactive"), "hidden": _("Hidden"), "all": _("All")}
STATE_ROWS = {
    "active": Q(active=True, hidden=False),
    "inactive": Q(active=False),
    "hidden": Q(hidden=True),
    "all": Q(),
}
CONSENTS = {
    "valid": (_("Valid consent"), lambda rows: rows.with_valid_consent()),
    "missing": (_("Without valid consent"), lambda rows: rows.without_valid_consent()),
    "ending": (_("Consent ends soon"), lambda rows: rows.consent_ending()),
}
SEEN = {"0": _("Seen today"), "7": _("Seen in 7 days"), "30": _("Seen in 30 days"), "never": _("Never seen")}
SIZES = (60, 120, 240)
MOST_DEPARTMENTS, MOST_LETTERS = 200, 60


def _choices(options: dict[str, Any], empty: "StrOrPromise") -> "list[tuple[str, StrOrPromise]]":
    labels = [(key, label[0] if isinstance(label, tuple) else label) for key, label in options.items()]
    return [("", empty), *labels] if empty else labels


def _sizes() -> list[tuple[int, str]]:
    return [(size, gettext("%(count)s a page") % {"count": size}) for size in SIZES]


class PeopleFilter(forms.Form):
    """What cannot be read filters nothing."""

    q = forms.CharField(required=False)
    state = forms.ChoiceField(choices=_choices(STATES, ""), required=False)
    department = forms.CharField(required=False, max_length=100, widget=forms.Select, label=_("Department"))
    consent = forms.ChoiceField(choices=_choices(CONSENTS, _("Any consent")), required=False, label=_("Consent"))
    seen = forms.ChoiceField(choices=_choices(SEEN, _("Seen or not")), required=False, label=_("Seen"))
    faces = forms.ChoiceField(
        choices=[("", _("Any number of faces")), ("few", _("Fewer than 2 faces"))], required=False, label=_("Faces")
    )
    letter = forms.CharField(required=False, max_length=4, strip=False, widget=forms.HiddenInput)
    sort = forms.ChoiceField(choices=_choices(SORTS, ""), required=False, label=_("Order"))
    view = forms.ChoiceField(choices=[("grid", _("Grid")), ("table", _("Table"))], required=False)
    size = forms.TypedChoiceField(choices=_sizes, coerce=int, required=False, label=_("On a page"))

    DEFAULTS = {"state": "active", "sort": "name", "view": "grid", "size": SIZES[0]}
    NARROWING = ("department", "consent", "seen", "faces", "letter")

    def __init__(self, gallery: Gallery, data: Any) -> None:
        super().__init__(data.dict(), auto_id="filter-%s")
        self.gallery = gallery
        self.is_valid()
        self.values: dict[str, Any] = {**dict.fromkeys(self.fields, ""), **self.DEFAULTS}
        self.values |= {name: value for name, value in self.cleaned_data.items() if value}
        self.data = {name: str(value) for name, value in self.values.items()}  # what is shown is what is in force

    def rows(self) -> IdentityQuerySet:
        """The people who match, in no order."""
        return self._rows(self.values)

    def _rows(self, values: dict[str, Any]) -> IdentityQuerySet:
        rows: Any = self.gallery.identities.filter(STATE_ROWS[values["state"]])
        if values["department"]:
            rows = rows.filter(department=values["department"])
        if values["consent"]:
            rows = CONSENTS[values["consent"]][1](rows)
        if values["seen"]:
            rows = rows.seen_since(self._day())
        if values["faces"]:
            rows = rows.with_fewer_faces(2)
        if values["letter"]:
            rows = rows.filter(searchable__startswith=values["letter"].lower())
        return rows.matching(values["q"])

    def _day(self) -> datetime | None:
        """The moment since which somebody was seen; None: never."""
        if self.values["seen"] == "never":
            return None
        midnight = timezone.localtime(timezone=self.gallery.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight - timedelta(days=int(self.values["seen"]))

    def pages(self) -> Paginator:
        """Those who match, in order, with portraits."""
        rows = self.rows().with_portrait().order_by(*SORTS[self.values["sort"]][1])
        pages = Paginator(rows, self.values["size"])
        if not any(self.values[name] for name in ("q", *self.NARROWING)):
            pages.count = next(
                count for key, __, count in self.state_counts if key == self.values["state"]
            )  # saves a query
        return pages

    @property
    def narrows(self) -> bool:
        """Whether anybody may be left out beside those who are inactive or hidden."""
        return self.values["state"] != "active" or any(self.values[name] for name in ("q", *self.NARROWING))

    def chips(self) -> list[dict[str, str]]:
        """{words, without: the address without it} of each filter in force, beside the state and the search."""
        words: dict[str, Callable[[str], str]] = {
            "consent": lambda key: str(CONSENTS[key][0]),
            "seen": lambda key: str(SEEN[key]),
            "faces": lambda __: gettext("Fewer than 2 faces"),
            "department": str,
            "letter": lambda letter: gettext("Begins with %(letter)s") % {"letter": letter.upper()},
        }
        return [
            {"words": words[name](self.values[name]), "without": f"?{self.address(**{name: ''})}"}
            for name in self.NARROWING
            if self.values[name]
        ]

    def without_all(self) -> str:
        return f"?{self.address(**dict.fromkeys(self.NARROWING, ''))}"

    def address(self, **changes: str) -> str:
        """The query of this list, without what is so by default. changes: other values of some fields."""
        values = {**self.values, **changes}
        return urlencode({name: value for name, value in values.items() if value and value != self.DEFAULTS.get(name)})

    @cached_property
    def state_counts(self) -> list[tuple[str, str, int]]:
        """(key, label, how many) of each state, in one query."""
        counts = {f"are_{key}": Count("pk", filter=rows or None) for key, rows in STATE_ROWS.items()}
        counted = self.gallery.identities.aggregate(**counts)
        return [(key, str(label), counted[f"are_{key}"]) for key, label in STATES.items()]

    @cached_property
    def departments(self) -> list[str]:
        rows = self.gallery.identities.exclude(department="").order_by("department")
        return list(rows.values_list("department", flat=True).distinct()[:MOST_DEPARTMENTS])

    def letters(self) -> list[dict[str, Any]]:
        """{text, address, current} of the first letters of the names of those who match; none if they are too many."""
        rows = self._rows({**self.values, "letter": ""}).annotate(first=Upper(Left("searchable", 1)))
        found = rows.order_by("first").values_list("first", flat=True).distinct()[: MOST_LETTERS + 1]
        letters = [letter for letter in found if letter.strip()]
        if not 1 < len(letters) <= MOST_LETTERS:
            return []
        chosen = str(self.values["letter"]).upper()
        return [
            {"text": each, "address": f"?{self.address(letter=each)}", "current": each == chosen} for each in letters
        ]
