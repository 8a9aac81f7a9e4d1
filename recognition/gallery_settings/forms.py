"""Forms of a gallery's settings. They only parse; the services decide."""

from copy import copy
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.roles import Role
from gallery.models import Gallery, QualityGate, ThresholdSource
from recognition.gallery_settings.effects import FPIRS, one_in


class GeneralForm(forms.ModelForm):
    time_zone = forms.ChoiceField(required=False, label=_("Time zone"), help_text=_("Whose days count."))

    class Meta:
        model = Gallery
        fields = ["name", "time_zone", "day_starts_at"]
        labels = {"name": _("Name"), "day_starts_at": _("A day begins at")}
        widgets = {"day_starts_at": forms.TimeInput(attrs={"type": "time"}, format="%H:%M")}
        help_texts = {
            "day_starts_at": _("Later than midnight where people work at night. Days that are over stay as they are.")
        }

    def __init__(self, gallery: Gallery, data: Any = None) -> None:
        super().__init__(data, instance=copy(gallery))
        zones = sorted({*available_timezones(), *filter(None, [gallery.time_zone])})
        own = ("", gettext("The installation’s: %(zone)s") % {"zone": settings.TIME_ZONE})
        self.fields["time_zone"] = forms.ChoiceField(
            choices=[own, *((zone, zone) for zone in zones)],
            required=False,
            label=_("Time zone"),
            help_text=_("Whose days count."),
        )


class CarefulForm(forms.Form):
    """How careful a gallery is. A threshold that was calibrated can be kept, but not made here."""

    target_fpir = forms.TypedChoiceField(
        coerce=float, label=_("How careful?"), help_text=_("So many strangers may be mistaken for somebody.")
    )
    threshold_source = forms.ChoiceField(widget=forms.RadioSelect, label=_("Threshold"))
    threshold_distance = forms.FloatField(
        required=False,
        min_value=0.001,
        label=_("Distance, if set by hand"),
        help_text=_("The largest that still counts as the same person."),
    )

    def __init__(self, gallery: Gallery, data: Any = None) -> None:
        initial = {name: getattr(gallery, name) for name in ("target_fpir", "threshold_source", "threshold_distance")}
        super().__init__(data, initial=initial)
        self.gallery = gallery
        fpirs = sorted({*FPIRS, gallery.target_fpir})
        kept = [ThresholdSource.CALIBRATED] if gallery.threshold_source == ThresholdSource.CALIBRATED else []
        self.fields["target_fpir"].choices = [(str(fpir), one_in(fpir)) for fpir in fpirs]  # type: ignore[attr-defined]
        self.fields["threshold_source"].choices = [  # type: ignore[attr-defined]
            (source.value, source.label) for source in (ThresholdSource.SIZE, *kept, ThresholdSource.MANUAL)
        ]

    def clean(self) -> None:
        source = self.cleaned_data.get("threshold_source")
        if source == ThresholdSource.MANUAL and self.cleaned_data.get("threshold_distance") is None:
            self.add_error("threshold_distance", _("Enter a distance, or let the threshold follow the gallery’s size."))

    def values(self) -> dict[str, Any]:
        """What update_gallery takes."""
        values = dict(self.cleaned_data)
        if values["threshold_source"] == ThresholdSource.CALIBRATED:
            return {"target_fpir": values["target_fpir"]}
        if values["threshold_source"] == ThresholdSource.SIZE:
            values["threshold_distance"] = None
        return values


class PhotosForm(forms.Form):
    """Which photos are enrolled, and which are kept."""

    quality_gate = forms.ChoiceField(
        choices=QualityGate.choices,
        label=_("Quality gate"),
        help_text=_("What is asked of a photo before its face is enrolled."),
    )
    keep_photos = forms.BooleanField(
        required=False,
        label=_("Keep photos sent for recognition"),
        help_text=_("Not only the faces found in them, for as long as Privacy says."),
    )

    def __init__(self, gallery: Gallery, data: Any = None) -> None:
        super().__init__(data, initial={name: getattr(gallery, name) for name in ("quality_gate", "keep_photos")})

    def values(self) -> dict[str, Any]:
        """What update_gallery takes."""
        return self.cleaned_data


class MemberForm(forms.Form):
    username = forms.CharField(
        label=_("User name"),
        max_length=150,
        help_text=_("Of an account that is there, or of a new one, for which you get a link."),
    )
    email = forms.EmailField(label=_("E-mail address, for a new account"), required=False)
    role = forms.TypedChoiceField(
        choices=Role.choices, coerce=lambda value: Role(int(value)), initial=Role.VIEWER, label=_("Role")
    )


class RoleForm(forms.Form):
    role = forms.TypedChoiceField(choices=Role.choices, coerce=lambda value: Role(int(value)))
