"""The forms of alerts. They only parse; the services check the rules."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.validators import validate_email
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from gallery.models import Gallery, Identity
from recognition.alerts.models import COOLDOWN, AlertKind, AlertRule
from recognition.cameras.models import Camera

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

PEOPLE = ("people", "but_not")
CHECKBOXES = forms.CheckboxSelectMultiple


def _time(label: "StrOrPromise", text: "StrOrPromise") -> forms.TimeField:
    return forms.TimeField(
        label=label, required=False, help_text=text, widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    )


class RuleForm(forms.Form):
    name = forms.CharField(max_length=100, label=_("Name"))
    kind = forms.ChoiceField(choices=AlertKind.choices, label=_("Tell when"))
    enabled = forms.BooleanField(required=False, initial=True, label=_("Switched on"))
    cameras = forms.ModelMultipleChoiceField(
        Camera.objects.none(),
        required=False,
        label=_("Cameras"),
        widget=CHECKBOXES,
        help_text=_("None ticked: all cameras."),
    )
    people = forms.ModelMultipleChoiceField(
        Identity.objects.none(),
        required=False,
        label=pgettext_lazy("alert rule", "About"),
        help_text=_("Nobody chosen: everybody."),
    )
    but_not = forms.ModelMultipleChoiceField(Identity.objects.none(), required=False, label=_("But not about"))
    weekdays = forms.TypedMultipleChoiceField(
        choices=list(WEEKDAYS.items()),
        coerce=int,
        widget=CHECKBOXES,
        initial=list(WEEKDAYS),
        label=pgettext_lazy("weekdays", "On"),
        error_messages={"required": _("Tick at least one day.")},
    )
    starts_at = _time(pgettext_lazy("time", "From"), _("Of the day; both empty: all day."))
    ends_at = _time(pgettext_lazy("time", "To"), _("An earlier time is one of the next day."))
    absent_after = _time(_("Absent after"), _("For “Somebody has not come”: from this time on."))
    min_score = forms.FloatField(
        label=_("Least score"),
        required=False,
        min_value=0,
        max_value=1,
        help_text=_("0 to 1, of a known person. Empty: any."),
        widget=forms.NumberInput(attrs={"step": "0.01"}),
    )
    minutes = forms.IntegerField(
        label=_("Minutes of silence"),
        min_value=0,
        max_value=1440,
        initial=COOLDOWN // 60,
        help_text=_("The same person at the same camera is not told again for so long."),
    )

    emails = forms.CharField(
        label=_("E-mail to"),
        required=False,
        max_length=2000,
        help_text=_("Addresses, with commas. Sent where the operator has set up e-mail."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "email"}),
    )

    def __init__(self, gallery: Gallery, *args: Any, rule: AlertRule | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial = {**self.initial, **(_values_of(rule) if rule else {})}
        rows = {"cameras": gallery.cameras.all()} | dict.fromkeys(PEOPLE, Identity.objects.filter(gallery=gallery))
        for name, queryset in rows.items():
            field: Any = self.fields[name]
            field.queryset = queryset

    @property
    def chosen(self) -> list[tuple[forms.BoundField, list[Identity]]]:
        """The fields of people, each with those who are chosen in it: nobody lists ten thousand to choose from."""
        return [(self[name], self._people(name)) for name in PEOPLE]

    def _people(self, name: str) -> list[Identity]:
        field: Any = self.fields[name]
        if not self.is_bound:
            return list(self.initial.get(name, ()))
        try:
            return list(field.clean(self[name].value()))
        except forms.ValidationError:
            return []

    def values(self) -> dict[str, Any]:
        """As the services take them."""
        data = dict(self.cleaned_data)
        return data | {"cooldown": data.pop("minutes") * 60}

    def clean_emails(self) -> list[str]:
        addresses = [part.strip() for part in self.cleaned_data["emails"].split(",") if part.strip()]
        for address in addresses:
            validate_email(address)
        return list(dict.fromkeys(addresses))


def _values_of(rule: AlertRule) -> dict[str, Any]:
    same = ("name", "kind", "enabled", "weekdays", "starts_at", "ends_at", "absent_after", "min_score")
    chosen = {"cameras": list(rule.cameras.all())} | {name: rule.chosen(name) for name in PEOPLE}
    changed = {"minutes": round(rule.cooldown / 60), "emails": ", ".join(rule.emails)}
    return {name: getattr(rule, name) for name in same} | chosen | changed


class KindsForm(forms.Form):
    kinds = forms.MultipleChoiceField(
        choices=AlertKind.choices,
        required=False,
        widget=CHECKBOXES,
        label=_("Tell it when"),
        help_text=_("None: always."),
    )


class EndpointForm(KindsForm):
    url = forms.CharField(
        label=_("Address"),
        max_length=1000,
        widget=forms.URLInput(attrs={"placeholder": "https://", "autocomplete": "off"}),
    )
    field_order = ["url", "kinds"]


class FilterForm(forms.Form):
    """The filters in the address of the page. What cannot be read is no filter."""

    kind = forms.ChoiceField(choices=[("", _("Everything")), *AlertKind.choices], required=False)
    camera = forms.ModelChoiceField(
        Camera.objects.none(), required=False, to_field_name="slug", empty_label=_("All cameras")
    )
    identity = forms.UUIDField(required=False, widget=forms.HiddenInput)
    unseen = forms.BooleanField(required=False, label=_("Only new ones"))

    def __init__(self, gallery: Gallery, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        camera: Any = self.fields["camera"]
        camera.queryset = gallery.cameras.all()
        self.is_valid()

    @property
    def chosen(self) -> dict[str, Any]:
        return {name: value for name, value in self.cleaned_data.items() if value}
