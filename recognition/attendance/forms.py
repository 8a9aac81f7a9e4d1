"""A correction by hand."""

from django import forms

from recognition.attendance.models import TO_WRITE_DOWN


class CorrectionForm(forms.Form):
    date = forms.DateField(widget=forms.DateInput(attrs={"type": "date"}))
    presence = forms.ChoiceField(choices=TO_WRITE_DOWN, label="Was")
    came = forms.TimeField(required=False, widget=forms.TimeInput(attrs={"type": "time"}))
    left = forms.TimeField(required=False, widget=forms.TimeInput(attrs={"type": "time"}))
    reason = forms.CharField(max_length=200, widget=forms.TextInput(attrs={"placeholder": "Why it is corrected"}))
