"""Forms of the pages. They parse; the services decide."""

from django import forms

from gallery.models import Gallery, Identity


class GalleryForm(forms.ModelForm):
    class Meta:
        model = Gallery
        fields = ["name"]


class IdentityForm(forms.ModelForm):
    class Meta:
        model = Identity
        fields = ["name", "external_id", "department", "position", "active"]
        help_texts = {"active": "Inactive people are kept but never proposed."}
