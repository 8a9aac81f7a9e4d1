"""The forms of one's own account and of the page “Users”. They parse input; the services check the rules."""

from itertools import groupby
from typing import Any
from zoneinfo import available_timezones

from allauth.account.forms import ChangePasswordForm, ResetPasswordKeyForm
from allauth.core import context
from django import forms
from django.conf import settings
from django.contrib.auth.password_validation import password_validators_help_texts

from accounts.actor import Actor, Via
from accounts.galleries import galleries
from accounts.models import User
from accounts.pages import actor_of
from accounts.roles import Role
from accounts.users import services

# Others of these lists are old names, and zones without a place.
AREAS = frozenset(
    ("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")
)


def _plain(form: forms.Form) -> None:
    """Our labels stand above the fields: no placeholders that repeat them."""
    for field in form.fields.values():
        field.widget.attrs.pop("placeholder", None)
        field.help_text = ""
    form.fields["password1"].help_text = " ".join(password_validators_help_texts()[:1])
    form.fields["password1"].label, form.fields["password2"].label = "New password", "New password, again"


class OwnPasswordForm(ChangePasswordForm):
    end_keys = forms.BooleanField(
        label="End all my API keys", required=False, help_text="Do this if somebody else may know your password."
    )

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        end_keys = self.fields["end_keys"].help_text
        _plain(self)
        self.fields["end_keys"].help_text = end_keys
        self.fields["oldpassword"].label = "Current password"

    def save(self):
        services.change_own_password(
            actor=actor_of(context.request),
            password=self.cleaned_data["password1"],
            end_keys=self.cleaned_data["end_keys"],
        )


class NewPasswordForm(ResetPasswordKeyForm):
    """For who has a link."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        _plain(self)

    def save(self):
        visitor = Actor.of_visitor(context.request, Via.WEB)
        services.choose_password(actor=visitor, user=self.user, password=self.cleaned_data["password1"])


class NameForm(forms.ModelForm):
    class Meta:
        model = User
        fields = ["first_name", "last_name"]


def _zones() -> list[tuple[str, Any]]:
    """By part of the world, for a list that can be typed into: "Berlin" finds Europe/Berlin."""
    places = sorted(zone for zone in available_timezones() if zone.partition("/")[0] in AREAS)
    by_area = [(area, [(zone, _place(zone)) for zone in zones]) for area, zones in groupby(places, _area)]
    return [("", f"The server's ({settings.TIME_ZONE})"), ("UTC", "UTC"), *by_area]


def _area(zone: str) -> str:
    return zone.partition("/")[0]


def _place(zone: str) -> str:
    return zone.partition("/")[2].replace("_", " ")


def _languages() -> list[tuple[str, str]]:
    """Each by its own name, so that who cannot read the page finds theirs."""
    return [("", "As the browser"), *settings.LANGUAGES]


class DisplayForm(forms.ModelForm):
    language = forms.ChoiceField(choices=_languages, required=False)
    time_zone = forms.ChoiceField(choices=_zones, required=False, help_text="Of the times on all pages.")

    class Meta:
        model = User
        fields = ["theme", "language", "time_zone"]


class InvitationForm(forms.Form):
    username = forms.CharField(label="User name", max_length=150, help_text="They sign in with it.")
    email = forms.EmailField(label="E-mail address", required=False)
    gallery: forms.ModelChoiceField = forms.ModelChoiceField(queryset=None, required=False, empty_label="None")
    role = forms.TypedChoiceField(choices=Role.choices, coerce=lambda value: Role(int(value)), initial=Role.VIEWER)
    is_staff = forms.BooleanField(label="Staff: sees the system pages and the admin site", required=False)
    is_administrator = forms.BooleanField(label="Administrator: may do everything", required=False)

    def __init__(self, actor, *args, **kwargs):
        super().__init__(*args, **kwargs)
        gallery = self.fields["gallery"]
        assert isinstance(gallery, forms.ModelChoiceField)
        gallery.queryset = galleries().visible_to(actor, Role.OWNER).order_by("name")
        if not actor.sees_everything:
            gallery.required, gallery.empty_label = True, None
            del self.fields["is_staff"], self.fields["is_administrator"]


ROLES = [("", "No access"), *Role.choices]


class RoleForm(forms.Form):
    """A role in a gallery; no role takes the gallery away."""

    gallery: forms.ModelChoiceField = forms.ModelChoiceField(queryset=None)
    role = forms.TypedChoiceField(
        choices=ROLES,
        coerce=lambda value: Role(int(value)),
        empty_value=None,
        required=False,
    )

    def __init__(self, actor, *args, **kwargs):
        super().__init__(*args, **kwargs)
        gallery = self.fields["gallery"]
        assert isinstance(gallery, forms.ModelChoiceField)
        gallery.queryset = galleries().visible_to(actor, Role.OWNER).order_by("name")
        self.galleries = gallery.queryset
