"""The form for a new API key."""

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy

from accounts.galleries import galleries
from accounts.roles import Scope
from faceplatform.database.names import NameFormField

LIFETIMES = [
    ("30", gettext_lazy("in 30 days")),
    ("90", gettext_lazy("in 90 days")),
    ("365", gettext_lazy("in a year")),
    ("", gettext_lazy("never")),
]


class ApiKeyForm(forms.Form):
    name = NameFormField(
        label=gettext_lazy("Name"), max_length=100, help_text=gettext_lazy("What will use it, such as “front door”.")
    )
    gallery: forms.ModelChoiceField = forms.ModelChoiceField(
        label=gettext_lazy("Gallery"), queryset=None, required=False, empty_label=gettext_lazy("All my galleries")
    )
    scopes = forms.MultipleChoiceField(
        label=pgettext_lazy("a key", "May"),
        choices=Scope.choices,
        widget=forms.CheckboxSelectMultiple,
        initial=[Scope.RECOGNIZE, Scope.READ],
    )
    days = forms.TypedChoiceField(
        label=gettext_lazy("Expires"), choices=LIFETIMES, coerce=int, empty_value=None, required=False, initial="365"
    )

    def __init__(self, actor, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if longest := settings.KEY_MAX_DAYS:
            days = self.fields["days"]
            assert isinstance(days, forms.TypedChoiceField)
            shorter = [choice for choice in LIFETIMES if choice[0] and int(choice[0]) < longest]
            days.choices = [
                *shorter,
                (str(longest), ngettext("in %(count)s day", "in %(count)s days", longest) % {"count": longest}),
            ]
            days.initial = str(longest)
        gallery = self.fields["gallery"]
        assert isinstance(gallery, forms.ModelChoiceField)
        gallery.queryset = galleries().visible_to(actor).order_by("name")
