"""The forms of one's own account and of the page “Users”. They parse input; the services check the rules."""

from itertools import groupby
from typing import Any
from zoneinfo import available_timezones

from allauth.account.forms import ChangePasswordForm, ResetPasswordKeyForm
from allauth.core import context
from django import forms
from django.conf import settings
from django.contrib.auth.password_validation import password_validators_help_texts
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.actor import Actor, Via
from accounts.galleries import galleries
from accounts.models import User
from accounts.pages import actor_of
from accounts.roles import Role
from accounts.users import services

# Others of these lists are old names, and zones without a place.
AREAS = {
    "Africa": gettext_lazy("Africa"),
    "America": gettext_lazy("America"),
    "Antarctica": gettext_lazy("Antarctica"),
    "Arctic": gettext_lazy("Arctic"),
    "Asia": gettext_lazy("Asia"),
    "Atlantic": gettext_lazy("Atlantic"),
    "Australia": gettext_lazy("Australia"),
    "Europe": gettext_lazy("Europe"),
    "Indian": gettext_lazy("Indian"),
    "Pacific": gettext_lazy("Pacific"),
}


def _plain(form: forms.Form) -> None:
    """Our labels stand above the fields: no placeholders that repeat them."""
    for field in form.fields.values():
        field.widget.attrs.pop("placeholder", None)
        field.help_text = ""
    form.fields["password1"].help_text = " ".join(password_validators_help_texts()[:1])
    form.fields["password1"].label, form.fields["password2"].label = _("New password"), _("New password, again")


class OwnPasswordForm(ChangePasswordForm):
    end_keys = forms.BooleanField(
        label=gettext_lazy("End all my API keys"),
        required=False,
        help_text=gettext_lazy("Do this if somebody else may know your password."),
    )

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        end_keys = self.fields["end_keys"].help_text
        _plain(self)
        self.fields["end_keys"].help_text = end_keys
        self.fields["oldpassword"].label = _("Current password")
        self.fields["oldpassword"].widget.attrs["autofocus"] = True

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
    by_area = [(str(AREAS[area]), [(zone, _place(zone)) for zone in zones]) for area, zones in groupby(places, _area)]
    return [("", _("The server's (%(zone)s)") % {"zone": settings.TIME_ZONE}), ("UTC", "UTC"), *by_area]


def _area(zone: str) -> str:
    return zone.partition("/")[0]


def _place(zone: str) -> str:
    return zone.partition("/")[2].replace("_", " ")


def _languages() -> list[tuple[str, str]]:
    """Each by its own name, so that who cannot read the page finds theirs."""
    return [("", _("As the browser")), *settings.LANGUAGES]


class DisplayForm(forms.ModelForm):
    language = forms.ChoiceField(label=gettext_lazy("Language"), choices=_languages, required=False)
    time_zone = forms.ChoiceField(
        label=gettext_lazy("Time zone"),
        choices=_zones,
        required=False,
        help_text=gettext_lazy("Of the times on all pages."),
    )

    class Meta:
        model = User
        fields = ["theme", "language", "time_zone"]
        labels = {"theme": gettext_lazy("Theme")}


class InvitationForm(forms.Form):
    username = forms.CharField(
        label=gettext_lazy("User name"),
        max_length=150,
        help_text=gettext_lazy("They sign in with it."),
    )
    email = forms.EmailField(label=gettext_lazy("E-mail address"), required=False)
    gallery: forms.ModelChoiceField = forms.ModelChoiceField(
        label=gettext_lazy("Gallery"),
        queryset=None,
        required=False,
        empty_label=gettext_lazy("None"),
    )
    role = forms.TypedChoiceField(
        label=gettext_lazy("Role"), choices=Role.choices, coerce=lambda value: Role(int(value)), initial=Role.VIEWER
    )
    is_staff = forms.BooleanField(label=gettext_lazy("Staff: sees the system pages and the admin site"), required=False)
    is_administrator = forms.BooleanField(label=gettext_lazy("Administrator: may do everything"), required=False)

    def __init__(self, actor, *args, **kwargs):
        super().__init__(*args, **kwargs)
        gallery = self.fields["gallery"]
        assert isinstance(gallery, forms.ModelChoiceField)
        gallery.queryset = galleries().visible_to(actor, Role.OWNER).order_by("name")
        if not actor.sees_everything:
            gallery.required, gallery.empty_label = True, None
            del self.fields["is_staff"], self.fields["is_administrator"]


ROLES = [("", gettext_lazy("No access")), *Role.choices]


class RoleForm(forms.Form):
    """A role in a gallery; no role takes the gallery away."""

    gallery: forms.ModelChoiceField = forms.ModelChoiceField(label=gettext_lazy("Gallery"), queryset=None)
    role = forms.TypedChoiceField(
        label=gettext_lazy("Role"),
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
