"""A correction by hand."""

from django import forms

from recognition.attendance.models import Presence


class CorrectionForm(forms.Form):
    date = forms.DateField(widget=forms.DateInput(attrs={"type": "date"}))
    presence = forms.ChoiceField(choices=[(p.value, p.label) for p in (Presence.PRESENT, Presence.ABSENT)], label="Was")
    came = forms.TimeField(required=False, widget=forms.TimeInput(attrs={"type": "time"}))
    left = forms.TimeField(required=False, widget=forms.TimeInput(attrs={"type": "time"}))
    reason = forms.CharField(max_length=200, widget=forms.TextInput(attrs={"placeholder": "Why it is corrected"}))
