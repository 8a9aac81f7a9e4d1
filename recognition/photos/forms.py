"""Forms of the pages. They only parse; the services decide."""

from django import forms
from django.conf import settings
from django.utils import timezone

from faceplatform.database.names import NameFormField
from gallery.forms import DateInput
from gallery.models import Consent, Gallery, Identity, Liveness
from gallery.services import CONSENT_FIELDS
from recognition.engine.image import FORMAT_NAMES

ACCEPT = "image/*,.heic,.heif,.hif,.avif,.jp2,.tga,.dng,.cr2,.nef,.arw,.rw2,.raf"
ACCEPT_TRUNCATED = "Also take photos that are cut off (their file ends too early)"


class PhotosInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class PhotosField(forms.FileField):
    """One file or many. Whether each is a usable photo is decided later."""

    widget = PhotosInput(attrs={"accept": ACCEPT, "multiple": True, "aria-label": "Photos"})

    def clean(self, data, initial=None):
        files = data if isinstance(data, list) else [data] if data else []
        if not files:
            raise forms.ValidationError("Choose at least one photo.")
        return files


class AddFacesForm(forms.Form):
    photos = PhotosField(label="Photos", help_text="One or more, each showing this person alone.")
    name = NameFormField(max_length=200)
    department = NameFormField(max_length=100, required=False)
    position = NameFormField(max_length=100, required=False)
    external_id = NameFormField(
        max_length=200, required=False, label="External id", help_text="The person's number in your own system."
    )
    accept_truncated = forms.BooleanField(required=False, label=ACCEPT_TRUNCATED)
    another = forms.BooleanField(required=False, label="This is another person with the same name")
    consent_by = NameFormField(
        max_length=200, label="Consent stated by", help_text="The person, or the document that says so."
    )
    consent_at = forms.DateField(label="Stated on", widget=DateInput, initial=timezone.localdate)
    consent_until = forms.DateField(
        label="Holds until", widget=DateInput, required=False, help_text="Empty: until it is withdrawn."
    )

    def __init__(self, gallery, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if not gallery.requires_consent:
            for name in ("consent_by", "consent_at", "consent_until"):
                del self.fields[name]

    def person(self) -> dict:
        """The fields of the new person besides the name, as `create_identity` takes them."""
        data = self.cleaned_data
        fields = {name: data[name] for name in ("department", "position", "external_id")}
        consent = {name: data[name] for name in CONSENT_FIELDS if name in data}
        return fields | (consent | {"consent": Consent.GIVEN} if consent else {})


class MorePhotosForm(forms.Form):
    photos = PhotosField(label="Photos")
    accept_truncated = forms.BooleanField(required=False, label=ACCEPT_TRUNCATED)


class RecogniseForm(forms.Form):
    photo = forms.FileField(
        label="Photo",
        widget=forms.FileInput(attrs={"accept": ACCEPT, "aria-label": "Photo"}),
        error_messages={"required": "Choose a photo."},
    )
    keep_photo = forms.BooleanField(required=False, label="Keep the photo with the result")

    @property
    def accepted(self) -> str:
        """Which photos are, for people."""
        return f"{FORMAT_NAMES}, up to {settings.MAX_PHOTO_BYTES // 2**20} MiB"


class RejectForm(forms.Form):
    def __init__(self, gallery, *args, **kwargs):
        super().__init__(*args, **kwargs)
        people = Identity.objects.filter(gallery=gallery).select_related("gallery")
        self.fields["identity"] = forms.ModelChoiceField(people)


class LivenessForm(forms.Form):
    """What a gallery makes of pictures held up to a camera."""

    liveness = forms.ChoiceField(
        choices=Liveness.choices,
        label="A photo or a screen held up to the camera",
        help_text=Gallery._meta.get_field("liveness").help_text,
    )
