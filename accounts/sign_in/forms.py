"""The forms of signing in: allauth's, in our words."""

from allauth.account.forms import LoginForm, ResetPasswordForm
from allauth.mfa.webauthn.forms import AddWebAuthnForm
from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.mails.sending import Kind
from accounts.mails.services import queue_link
from accounts.pages import site_of


class SignInForm(LoginForm):
    """allauth's. On the page its field is called username, as browsers and password managers expect."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        login = self.fields["login"]
        assert isinstance(login, forms.CharField)
        login.label, login.max_length = str(_("User name or e-mail address")), 254
        login.widget = forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none", "autofocus": True})
        self.fields["password"].widget = forms.PasswordInput(attrs={"autocomplete": "current-password"})
        self.fields["password"].help_text = ""

    def add_prefix(self, field_name):
        return "username" if field_name == "login" else field_name


class ForgottenForm(ResetPasswordForm):
    def save(self, request, **kwargs):
        """Queues the mails. For an address that nobody has as much is done, so that time does not tell."""
        for user in self.users or [None]:
            queue_link(kind=Kind.FORGOTTEN, user=user, site=site_of(request))
        return self.cleaned_data["email"]


class PasskeyForm(AddWebAuthnForm):
    passwordless = forms.BooleanField(
        label=_("Sign in with it alone, without a password"),
        initial=True,
        required=False,
        help_text=_(
            "It then asks for your finger, face or PIN. Without this it is a second factor beside the password."
        ),
    )
