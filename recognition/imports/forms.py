"""The upload form of the imports page."""

from django import forms

from gallery.models import QualityGate


class ImportForm(forms.Form):
    file = forms.FileField(label="ZIP", widget=forms.ClearableFileInput(attrs={"accept": ".zip,application/zip"}))
    quality_gate = forms.ChoiceField(
        choices=[("", "The gallery's own"), *QualityGate.choices], required=False, label="Quality gate"
    )
