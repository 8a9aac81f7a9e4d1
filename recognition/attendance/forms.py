"""A correction by hand."""

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from recognition.attendance.models import TO_WRITE_DOWN


class CorrectionForm(forms.Form):
    date = forms.DateField(label=_("Date"), widget=forms.DateInput(attrs={"type": "date"}))
    presence = forms.ChoiceField(choices=TO_WRITE_DOWN, label=_("Was"))
    came = forms.TimeField(label=_("Came"), required=False, widget=forms.TimeInput(attrs={"type": "time"}))
    left = forms.TimeField(
        label=pgettext_lazy("went away", "Left"), required=False, widget=forms.TimeInput(attrs={"type": "time"})
    )
    reason = forms.CharField(
        label=_("Reason"), max_length=200, widget=forms.TextInput(attrs={"placeholder": _("Why it is corrected")})
    )
