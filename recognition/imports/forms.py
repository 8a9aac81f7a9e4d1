"""The upload form of the imports page."""

from django import forms
from django.utils.translation import gettext_lazy as _

from gallery.models import QualityGate


class ImportForm(forms.Form):
    file = forms.FileField(label="ZIP", widget=forms.ClearableFileInput(attrs={"accept": ".zip,application/zip"}))
    quality_gate = forms.ChoiceField(
        choices=[("", _("The gallery's own")), *QualityGate.choices], required=False, label=_("Quality gate")
    )
