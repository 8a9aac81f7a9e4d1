"""Forms of the pages. They parse; the services decide."""

from django import forms

from gallery.models import Gallery, Identity
from gallery.services import CONSENT_FIELDS


class GalleryForm(forms.ModelForm):
    class Meta:
        model = Gallery
        fields = ["name"]


class IdentityForm(forms.ModelForm):
    """seen: which version of the person the page showed."""

    seen = forms.DateTimeField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = Identity
        fields = ["name", "external_id", "department", "position", "active", "hidden"]
        help_texts = {
            "active": "Inactive people are kept but never proposed.",
            "hidden": "Hidden people are recognised but not shown among the portraits.",
        }


class DateInput(forms.DateInput):
    """The browser's own, which takes and gives ISO dates whatever it shows."""

    input_type = "date"

    def __init__(self, attrs=None):
        super().__init__(attrs, format="%Y-%m-%d")


class ConsentForm(forms.ModelForm):
    """seen: which version of the person the page showed."""

    seen = forms.DateTimeField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = Identity
        fields = list(CONSENT_FIELDS)
        labels = {"consent": "Their answer"}
        widgets = {
            "consent_at": DateInput,
            "consent_until": DateInput,
            "consent_note": forms.Textarea(attrs={"rows": 2}),
        }


class SamplesForm(forms.Form):
    """Ticked samples of a person, and what to do with them."""

    def __init__(self, identity: Identity, data):
        super().__init__(data)
        self.fields["samples"] = forms.ModelMultipleChoiceField(
            identity.samples.select_related("identity__gallery"),
            error_messages={"required": "Tick one or more samples first."},
        )


class SplitForm(SamplesForm):
    name = forms.CharField(max_length=200, error_messages={"required": "Type the new person's name first."})


def _choose_other(form: forms.Form, identity: Identity) -> None:
    others = Identity.objects.filter(gallery=identity.gallery).exclude(pk=identity.pk)
    form.fields["to"] = forms.ModelChoiceField(
        others.select_related("gallery"),
        error_messages={
            "required": "Choose the person first.",
            "invalid_choice": "This person is not there any more.",
        },
    )


class PersonForm(forms.Form):
    """Somebody else of the gallery."""

    def __init__(self, identity: Identity, data):
        super().__init__(data)
        _choose_other(self, identity)


class MoveForm(SamplesForm):
    """Ticked samples, and somebody else of the gallery."""

    def __init__(self, identity: Identity, data):
        super().__init__(identity, data)
        _choose_other(self, identity)
