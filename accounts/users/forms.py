"""The form with which users change their own password."""

from django import forms
from django.contrib.auth.forms import PasswordChangeForm


class OwnPasswordForm(PasswordChangeForm):
    end_keys = forms.BooleanField(
        label="End all my API keys", required=False, help_text="Do this if somebody else may know your password."
    )
