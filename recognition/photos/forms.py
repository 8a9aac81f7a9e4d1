"""Forms of the pages. They only parse; the services decide."""

from datetime import datetime, time, timedelta

from django import forms
from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from faceplatform.database.names import NameFormField
from gallery.forms import DateInput
from gallery.models import Consent, Gallery, Identity, Liveness
from gallery.services import CONSENT_FIELDS
from recognition.engine.image import FORMAT_NAMES
from recognition.photos.models import Decision

ACCEPT = "image/*,.heic,.heif,.hif,.avif,.jp2,.tga,.dng,.cr2,.nef,.arw,.rw2,.raf"
ACCEPT_TRUNCATED = gettext_lazy("Also take photos that are cut off (their file ends too early)")


class PhotosInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class PhotosField(forms.FileField):
    """One file or many. Whether each is a usable photo is decided later."""

    widget = PhotosInput(attrs={"accept": ACCEPT, "multiple": True, "aria-label": gettext_lazy("Photos")})

    def clean(self, data, initial=None):
        files = data if isinstance(data, list) else [data] if data else []
        if not files:
            raise forms.ValidationError(_("Choose at least one photo."))
        return files


class WithConsent(forms.Form):
    """For a new person: what is stated of their consent, in galleries that require it."""

    consent_by = NameFormField(
        max_length=200,
        label=gettext_lazy("Consent stated by"),
        help_text=gettext_lazy("The person, or the document that says so."),
    )
    consent_at = forms.DateField(label=gettext_lazy("Stated on"), widget=DateInput, initial=timezone.localdate)
    consent_until = forms.DateField(
        label=gettext_lazy("Holds until"),
        widget=DateInput,
        required=False,
        help_text=gettext_lazy("Empty: until it is withdrawn."),
    )

    def __init__(self, gallery, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if not gallery.requires_consent:
            for name in ("consent_by", "consent_at", "consent_until"):
                del self.fields[name]

    def consent(self) -> dict:
        """The consent as `create_identity` takes it."""
        consent = {name: self.cleaned_data[name] for name in CONSENT_FIELDS if name in self.cleaned_data}
        return consent | {"consent": Consent.GIVEN} if consent else {}


class AddFacesForm(WithConsent):
    photos = PhotosField(
        label=gettext_lazy("Photos"), help_text=gettext_lazy("One or more, each showing this person alone.")
    )
    name = NameFormField(max_length=200, label=gettext_lazy("Name"))
    department = NameFormField(max_length=100, required=False, label=gettext_lazy("Department"))
    position = NameFormField(max_length=100, required=False, label=gettext_lazy("Position"))
    external_id = NameFormField(
        max_length=200,
        required=False,
        label=gettext_lazy("External id"),
        help_text=gettext_lazy("The person's number in your own system."),
    )
    accept_truncated = forms.BooleanField(required=False, label=ACCEPT_TRUNCATED)
    another = forms.BooleanField(required=False, label=gettext_lazy("This is another person with the same name"))

    def person(self) -> dict:
        """The fields of the new person besides the name, as `create_identity` takes them."""
        return {name: self.cleaned_data[name] for name in ("department", "position", "external_id")} | self.consent()


class MorePhotosForm(forms.Form):
    photos = PhotosField(label=gettext_lazy("Photos"))
    accept_truncated = forms.BooleanField(required=False, label=ACCEPT_TRUNCATED)


class RecogniseForm(forms.Form):
    photo = PhotosField(label=gettext_lazy("Photos"))
    keep_photo = forms.BooleanField(required=False, label=gettext_lazy("Keep the photos with the results"))

    @property
    def accepted(self) -> str:
        """Which photos are, for people."""
        size = settings.MAX_PHOTO_BYTES // 2**20
        return _("%(formats)s, up to %(size)s MiB each") % {"formats": _(FORMAT_NAMES), "size": size}

    def clean_photo(self):
        photos = self.cleaned_data["photo"]
        if len(photos) > settings.MAX_PHOTOS_AN_ENROLMENT:
            most = settings.MAX_PHOTOS_AN_ENROLMENT
            raise forms.ValidationError(_("Choose at most %(most)s photos at once.") % {"most": most})
        return photos


class RecognitionsForm(forms.Form):
    """The filters of the page, as its address has them. Days are those of the gallery's zone."""

    name = forms.CharField(required=False, max_length=200, label=gettext_lazy("Person"))
    decision = forms.ChoiceField(choices=[("", gettext_lazy("All")), *Decision.choices], required=False)
    since = forms.DateField(required=False, widget=DateInput, label=gettext_lazy("From"))
    until = forms.DateField(required=False, widget=DateInput, label=gettext_lazy("To"))
    mine = forms.BooleanField(required=False, label=gettext_lazy("Only mine"))

    def __init__(self, gallery, user, data):
        super().__init__(data)
        self.gallery, self.user = gallery, user

    def rows(self, rows):
        """Those of `rows` that match; of a filter that cannot be read, nothing is left out."""
        self.is_valid()
        values, zone = self.cleaned_data, self.gallery.zone
        if values.get("since"):
            rows = rows.filter(created_at__gte=datetime.combine(values["since"], time.min, zone))
        if values.get("until"):
            rows = rows.filter(created_at__lt=datetime.combine(values["until"] + timedelta(days=1), time.min, zone))
        if values.get("mine"):
            rows = rows.filter(requested_by=self.user)
        people = self.gallery.identities.matching(values["name"]) if values.get("name") else None
        if people is not None or values.get("decision"):
            rows = rows.with_face(people=people, decision=values.get("decision"))
        return rows


class RejectForm(forms.Form):
    def __init__(self, gallery, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["identity"] = _someone_of(gallery)


class ShownForm(forms.Form):
    """was: whom the page named when the button was pressed. local: which of the photos chosen last the face is in."""

    local = forms.IntegerField(required=False, min_value=0, widget=forms.HiddenInput)

    def __init__(self, gallery, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["was"] = _someone_of(gallery, required=False)


class NameFaceForm(ShownForm):
    """enrol: empty if the quality gate may refuse the face."""

    enrol = forms.ChoiceField(choices=[("", ""), ("anyway", ""), ("no", "")], required=False)

    def __init__(self, gallery, *args, **kwargs):
        super().__init__(gallery, *args, **kwargs)
        self.fields["to"] = _someone_of(gallery)

    def person(self) -> dict:
        """Who it is, as `name_face` takes them."""
        return {"identity": self.cleaned_data["to"]}


class NewFaceForm(WithConsent):
    """The same for a new person. another: although there is somebody of this name."""

    name = NameFormField(max_length=200)
    another = forms.BooleanField(required=False)
    enrol = forms.ChoiceField(choices=[("", ""), ("anyway", "")], required=False)
    local = forms.IntegerField(required=False, min_value=0, widget=forms.HiddenInput)

    def __init__(self, gallery, *args, **kwargs):
        super().__init__(gallery, *args, **kwargs)
        self.fields["was"] = _someone_of(gallery, required=False)

    def person(self) -> dict:
        return {"name": self.cleaned_data["name"], "fields": self.consent()}


class LivenessForm(forms.Form):
    """What a gallery makes of pictures held up to a camera."""

    liveness = forms.ChoiceField(
        choices=Liveness.choices,
        label=gettext_lazy("A photo or a screen held up to the camera"),
        help_text=Gallery._meta.get_field("liveness").help_text,
    )


def _someone_of(gallery, **options) -> forms.ModelChoiceField:
    return forms.ModelChoiceField(Identity.objects.filter(gallery=gallery).select_related("gallery"), **options)
