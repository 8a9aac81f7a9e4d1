"""Forms of kiosks. They only parse; the services decide."""

from django import forms

TYPED = {"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}


class KioskForm(forms.Form):
    name = forms.CharField(
        max_length=100, label="Name of the device", widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    greets_strangers = forms.BooleanField(required=False, label="Says “not recognised” to who is not known")


class CodeForm(forms.Form):
    code = forms.CharField(max_length=20, label="Code", widget=forms.TextInput(attrs=TYPED))
