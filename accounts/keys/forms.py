"""The form for a new API key."""

from django import forms
from django.conf import settings

from accounts.galleries import galleries
from accounts.roles import Scope
from faceplatform.database.names import NameFormField

LIFETIMES = [("30", "in 30 days"), ("90", "in 90 days"), ("365", "in a year"), ("", "never")]


class ApiKeyForm(forms.Form):
    name = NameFormField(max_length=100, help_text="What will use it, such as “front door”.")
    gallery: forms.ModelChoiceField = forms.ModelChoiceField(
        queryset=None, required=False, empty_label="All my galleries"
    )
    scopes = forms.MultipleChoiceField(
        label="May", choices=Scope.choices, widget=forms.CheckboxSelectMultiple, initial=[Scope.RECOGNIZE, Scope.READ]
    )
    days = forms.TypedChoiceField(
        label="Expires", choices=LIFETIMES, coerce=int, empty_value=None, required=False, initial="365"
    )

    def __init__(self, actor, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if longest := settings.KEY_MAX_DAYS:
            days = self.fields["days"]
            assert isinstance(days, forms.TypedChoiceField)
            shorter = [choice for choice in LIFETIMES if choice[0] and int(choice[0]) < longest]
            days.choices = [*shorter, (str(longest), f"in {longest} days")]
            days.initial = str(longest)
        gallery = self.fields["gallery"]
        assert isinstance(gallery, forms.ModelChoiceField)
        gallery.queryset = galleries().visible_to(actor).order_by("name")
