"""The form of a camera's settings. It only parses; the services check the rules."""

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from gallery.forms import MetadataField
from recognition.cameras.models import Camera, CameraKind
from recognition.cameras.services import LONGEST_CREDENTIAL
from recognition.cameras.sources import readable_credentials_of

EVERYDAY = ("name", "kind", "address", "user", "password")
MORE = (
    "role", "fps", "min_face_px", "min_frames", "live", "repeats", "retention_days", "unknown_retention_days"
)  # fmt: skip


class MasksField(MetadataField):
    """Polygons as JSON, which a script draws on the camera's picture (masks.js). The service checks them."""

    def validate(self, value: Any) -> None:
        forms.JSONField.validate(self, value)


class CameraForm(forms.ModelForm):
    """A password that is left empty stays as it is; without a user there is none."""

    user = forms.CharField(
        label=gettext_lazy("User"),
        required=False,
        max_length=LONGEST_CREDENTIAL,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )
    password = forms.CharField(
        label=gettext_lazy("Password"),
        required=False,
        strip=False,
        max_length=LONGEST_CREDENTIAL,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=gettext_lazy("Kept encrypted, and never shown."),
    )
    masks = MasksField(
        required=False,
        label=gettext_lazy("Parts that are not looked at"),
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
        help_text=gettext_lazy(
            "Shapes [[x, y], …] in shares of the picture: [[[0, 0], [1, 0], [1, 0.2], [0, 0.2]]] for the upper fifth."
        ),
    )

    class Meta:
        model = Camera
        fields = [name for name in (*EVERYDAY, *MORE, "masks") if name not in ("user", "password")]
        labels = {
            "name": gettext_lazy("Name"),
            "address": gettext_lazy("Address"),
            "kind": gettext_lazy("Where its pictures come from"),
            "role": gettext_lazy("What it watches"),
            "fps": gettext_lazy("Pictures a second searched for faces, at most"),
            "min_face_px": gettext_lazy("Smallest face, in pixels"),
            "min_frames": gettext_lazy("Faces that a name needs"),
            "live": gettext_lazy("Its picture can be watched"),
            "repeats": gettext_lazy("A video file starts again at its end"),
            "retention_days": gettext_lazy("Days that sightings are kept"),
            "unknown_retention_days": gettext_lazy("Days that sightings of unknown people are kept"),
        }
        help_texts = {
            "address": gettext_lazy(
                "rtsp://… or http://…; of a file its name, of a device its path; empty for a webcam."
            ),
            "min_face_px": gettext_lazy("Smaller faces are left out: they are seldom recognised rightly."),
            "min_frames": gettext_lazy("More is surer, fewer is quicker. A door may take 1 with a stricter threshold."),
            "live": "",
            "repeats": "",
            "retention_days": gettext_lazy("Empty: as the gallery's rule says."),
            "unknown_retention_days": gettext_lazy("Empty: as the gallery's rule says."),
        }
        widgets = {
            "address": forms.TextInput(
                attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false", "inputmode": "url"}
            )
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kind: Any = self.fields["kind"]
        kind.choices = [(value, label) for value, label in CameraKind.choices if self._is_offered(value)]
        if self.instance.credentials:
            self.initial["user"] = readable_credentials_of(self.instance)[0]
            self.fields["password"].help_text = _("One is kept. Leave this empty to keep it.")

    def _is_offered(self, kind: str) -> bool:
        """Files and devices only where the operator allows some."""
        offered = {CameraKind.FILE: bool(settings.CAMERA_FOLDER), CameraKind.DEVICE: bool(settings.CAMERA_DEVICES)}
        return offered.get(CameraKind(kind), True) or kind == self.instance.kind

    @property
    def everyday(self) -> list[forms.BoundField]:
        return [self[name] for name in EVERYDAY]

    @property
    def more(self) -> list[forms.BoundField]:
        return [self[name] for name in MORE]

    @property
    def more_errors(self) -> bool:
        return any(field.errors for field in (*self.more, self["masks"]))

    def values(self) -> dict[str, Any]:
        """As the services take them."""
        data = self.cleaned_data
        kept = data["user"] and not data["password"]
        password = None if kept and self.instance.credentials else data["password"]
        return data | {"password": password, "masks": data["masks"] or []}


class TryForm(forms.Form):
    """What the camera's form has to say of its source."""

    kind = forms.ChoiceField(choices=CameraKind.choices)
    address = forms.CharField(max_length=1000, required=False)
    user = forms.CharField(max_length=LONGEST_CREDENTIAL, required=False)
    password = forms.CharField(max_length=LONGEST_CREDENTIAL, required=False, strip=False)
    camera = forms.UUIDField(required=False)
