"""The form to sign in with."""

from allauth.account.forms import LoginForm
from django import forms


class SignInForm(LoginForm):
    """allauth's. On the page its field is called username, as browsers and password managers expect."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        login = self.fields["login"]
        assert isinstance(login, forms.CharField)
        login.label, login.max_length = "User name or e-mail address", 254
        login.widget = forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none", "autofocus": True})
        self.fields["password"].widget = forms.PasswordInput(attrs={"autocomplete": "current-password"})
        self.fields["password"].help_text = ""

    def add_prefix(self, field_name):
        return "username" if field_name == "login" else field_name
