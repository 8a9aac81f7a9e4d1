"""The forms of the pages. They parse input; the services check the rules."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.fields import InvalidJSONInput
from django.utils.translation import gettext_lazy as _

from faceplatform.database.names import NameFormField
from faceplatform.errors import InvalidInput
from gallery.metadata import require_bounded
from gallery.models import Gallery, Identity
from gallery.services import CONSENT_FIELDS


class GalleryForm(forms.ModelForm):
    class Meta:
        model = Gallery
        fields = ["name"]
        labels = {"name": _("Name")}


class SeenField(forms.DateTimeField):
    """The `updated_at` of the person as the page showed it."""

    widget = forms.HiddenInput
    default_error_messages = {
        "invalid": _("This page is out of date. Look at the person again, then make your change.")
    }


class MetadataField(forms.JSONField):
    """JSON of a bounded size. What Python's reader gives up on – too deep, a number of thousands of digits – is a wrong input."""

    def to_python(self, value: Any) -> Any:
        try:
            return super().to_python(value)
        except (RecursionError, ValueError) as error:
            raise ValidationError(_("Enter JSON with at most 8 levels, and numbers of a usual size.")) from error

    def bound_data(self, data: Any, initial: Any) -> Any:
        try:
            return super().bound_data(data, initial)
        except (RecursionError, ValueError):
            return InvalidJSONInput(data)

    def validate(self, value: Any) -> None:
        super().validate(value)
        try:
            require_bounded(value)
        except InvalidInput as error:
            raise ValidationError(error.message) from error


class IdentityForm(forms.ModelForm):
    seen = SeenField(required=False)

    class Meta:
        model = Identity
        fields = ["name", "external_id", "department", "position", "active", "hidden"]
        labels = {
            "name": _("Name"),
            "external_id": _("External id"),
            "department": _("Department"),
            "position": _("Position"),
            "active": _("Active"),
            "hidden": _("Hidden"),
        }
        help_texts = {
            "active": _("Inactive people stay in the gallery but are never recognised."),
            "hidden": _("Hidden people are recognised, but not shown on the dashboard."),
        }


class DateInput(forms.DateInput):
    """The browser's own date picker: it submits ISO dates in whatever format it displays them."""

    input_type = "date"

    def __init__(self, attrs=None):
        super().__init__(attrs, format="%Y-%m-%d")


class ConsentForm(forms.ModelForm):
    seen = SeenField(required=False)

    class Meta:
        model = Identity
        fields = list(CONSENT_FIELDS)
        labels = {"consent": _("Their answer")}
        widgets = {
            "consent_at": DateInput,
            "consent_until": DateInput,
            "consent_note": forms.Textarea(attrs={"rows": 2}),
        }


class SamplesForm(forms.Form):
    """The ticked samples of a person."""

    def __init__(self, identity: Identity, data):
        super().__init__(data)
        self.fields["samples"] = forms.ModelMultipleChoiceField(
            identity.samples.select_related("identity__gallery"),
            error_messages={"required": _("Tick one or more samples first.")},
        )


class SplitForm(SamplesForm):
    name = NameFormField(max_length=200, error_messages={"required": _("Type the new person's name first.")})


def _add_other_person_field(form: forms.Form, identity: Identity) -> None:
    others = Identity.objects.filter(gallery=identity.gallery).exclude(pk=identity.pk)
    form.fields["to"] = forms.ModelChoiceField(
        others.select_related("gallery"),
        error_messages={
            "required": _("Choose the person first."),
            "invalid_choice": _("This person no longer exists. Choose another."),
        },
    )


class OtherPersonForm(forms.Form):
    """Another person in the same gallery."""

    def __init__(self, identity: Identity, data):
        super().__init__(data)
        _add_other_person_field(self, identity)


class MoveForm(SamplesForm):
    """The ticked samples, and another person in the same gallery."""

    def __init__(self, identity: Identity, data):
        super().__init__(identity, data)
        _add_other_person_field(self, identity)
