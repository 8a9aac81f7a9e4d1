"""Forms of the pages. They only parse; the services decide."""

from typing import Any
from uuid import UUID

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from gallery.models import Gallery, Identity
from recognition.cameras.models import Camera, Sighting, SightingFace, UnknownPerson
from recognition.cameras.querysets import SightingQuerySet
from recognition.photos.models import Decision


class TimeInput(forms.DateTimeInput):
    """The browser's own picker of a day and a time."""

    input_type = "datetime-local"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%dT%H:%M")


class SightingsForm(forms.Form):
    """The filters of the page, as its address has them. Times are in the gallery's zone."""

    camera = forms.ModelChoiceField(
        Camera.objects.none(), required=False, to_field_name="slug", empty_label=_("All cameras"), label=_("Camera")
    )
    decision = forms.ChoiceField(choices=[("", _("Everybody")), *Decision.choices], required=False, label=_("Decision"))
    name = forms.CharField(required=False, max_length=200, label=_("Name"))
    person = forms.UUIDField(required=False, widget=forms.HiddenInput)
    after = forms.DateTimeField(required=False, widget=TimeInput, label=pgettext_lazy("time", "From"))
    before = forms.DateTimeField(required=False, widget=TimeInput, label=pgettext_lazy("time", "To"))

    def __init__(self, gallery: Gallery, data: Any) -> None:
        super().__init__(data)
        self.gallery = gallery
        cameras = self.fields["camera"]
        assert isinstance(cameras, forms.ModelChoiceField)
        cameras.queryset = Camera.objects.filter(gallery=gallery)

    def rows(self) -> SightingQuerySet:
        """The gallery's sightings that match; of a filter that cannot be read, nothing is left out."""
        with timezone.override(self.gallery.zone):
            self.is_valid()
        values, rows = self.cleaned_data, Sighting.objects.filter(gallery=self.gallery)
        if values.get("person"):
            rows = rows.of_person(values["person"])
        if values.get("name"):
            rows = rows.filter(identity__in=Identity.objects.filter(gallery=self.gallery).matching(values["name"]))
        lookups = {"camera": "camera", "decision": "decision", "after": "last_seen__gt", "before": "first_seen__lt"}
        return rows.filter(**{lookup: values[name] for name, lookup in lookups.items() if values.get(name)})


class WhoForm(forms.Form):
    """A person of the gallery, or the name of a new one. The services say what is missing."""

    to = forms.ModelChoiceField(Identity.objects.none(), required=False)
    name = forms.CharField(required=False, max_length=200)
    enrol = forms.BooleanField(required=False)

    def __init__(self, gallery: Gallery, data: Any) -> None:
        super().__init__(data)
        people = self.fields["to"]
        assert isinstance(people, forms.ModelChoiceField)
        people.queryset = Identity.objects.filter(gallery=gallery).select_related("gallery")


class NameForm(WhoForm):
    """Who an unknown person is. shown: the sightings on the page; sightings: those of them that are ticked."""

    faces = forms.ModelMultipleChoiceField(SightingFace.objects.none(), required=False)
    shown = forms.ModelMultipleChoiceField(Sighting.objects.none(), required=False)
    sightings = forms.ModelMultipleChoiceField(Sighting.objects.none(), required=False)

    def __init__(self, unknown: UnknownPerson, data: Any) -> None:
        super().__init__(unknown.gallery, data)
        theirs = Sighting.objects.filter(unknown=unknown)
        faces = SightingFace.objects.filter(sighting__unknown=unknown).defer("jpeg", "vector")
        for name, rows in (("faces", faces), ("shown", theirs), ("sightings", theirs)):
            field = self.fields[name]
            assert isinstance(field, forms.ModelMultipleChoiceField)
            field.queryset = rows

    def faces_ticked(self) -> list[UUID]:
        """Of the sightings that are ticked as well."""
        ticked = {sighting.pk for sighting in self.cleaned_data["sightings"]}
        return [face.pk for face in self.cleaned_data["faces"] if face.sighting_id in ticked]

    def without(self) -> list[UUID]:
        """Sightings that were shown and are not ticked."""
        ticked = {sighting.pk for sighting in self.cleaned_data["sightings"]}
        return [sighting.pk for sighting in self.cleaned_data["shown"] if sighting.pk not in ticked]


class UnknownsForm(forms.Form):
    """The ticked unknown people."""

    unknowns = forms.ModelMultipleChoiceField(
        UnknownPerson.objects.none(), error_messages={"required": _("Tick unknown people first.")}
    )

    def __init__(self, gallery: Gallery, data: Any) -> None:
        super().__init__(data)
        field = self.fields["unknowns"]
        assert isinstance(field, forms.ModelMultipleChoiceField)
        field.queryset = UnknownPerson.objects.filter(gallery=gallery).select_related("gallery")
