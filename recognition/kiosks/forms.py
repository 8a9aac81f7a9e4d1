"""Forms of kiosks. They only parse; the services decide."""

from django import forms
from django.utils.translation import gettext_lazy

TYPED = {"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}


class KioskForm(forms.Form):
    name = forms.CharField(
        max_length=100, label=gettext_lazy("Name of the device"), widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    greets_strangers = forms.BooleanField(
        required=False, label=gettext_lazy("Says “not recognised” to who is not known")
    )


class CodeForm(forms.Form):
    code = forms.CharField(max_length=20, label=gettext_lazy("Code"), widget=forms.TextInput(attrs=TYPED))
