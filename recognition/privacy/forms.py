"""Forms of the privacy pages. They only parse; the services validate."""

from django import forms
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from faceplatform.database.names import NameFormField
from recognition.privacy.retention import CATEGORIES, DEFAULT, KEEP

DAYS = (1, 7, 14, 30, 60, 90, 180, 365, 730)


class RetentionForm(forms.Form):
    """How long each category is kept, and whether the gallery requires consent."""

    requires_consent = forms.BooleanField(
        required=False,
        label=gettext_lazy("Recognise and enrol only people with valid consent"),
        help_text=gettext_lazy("All others stay in the gallery, but are not recognised and cannot be enrolled."),
    )
    silence = forms.BooleanField(required=False)

    def __init__(self, rules: dict[str, str], *args, silenced: int = 0, **kwargs):
        """silenced: how many people would not be recognised any more once consent is required; that needs a tick."""
        super().__init__(*args, **kwargs)
        if silenced:
            text = ngettext("Yes, %(count)s person becomes unknown", "Yes, %(count)s people become unknown", silenced)
            self.fields["silence"].label = text % {"count": silenced}
        else:
            del self.fields["silence"]
        for name, category in CATEGORIES.items():
            choices = _choices(rules[name])
            self.fields[name] = forms.ChoiceField(
                choices=choices, initial=rules[name], label=category.label, help_text=category.help
            )

    def clean(self) -> None:
        if self.cleaned_data.get("requires_consent") and self.cleaned_data.get("silence") is False:
            self.add_error("silence", _("Tick this too, or note their consent first. Nothing was saved."))

    def rules(self) -> dict[str, str]:
        return {name: self.cleaned_data[name] for name in CATEGORIES}


def _choices(setting: str) -> list[tuple[str, str]]:
    days = sorted({*DAYS, *([int(setting)] if setting.isdigit() else [])})
    default = _("Installation default: %(days)s") % {"days": _in_words(settings.REQUEST_RETENTION_DAYS)}
    return [(DEFAULT, default), *((str(number), _in_words(number)) for number in days), (KEEP, _("For ever"))]


def _in_words(days: int) -> str:
    return ngettext("%(count)s day", "%(count)s days", days) % {"count": days}


class EraseForm(forms.Form):
    confirm = NameFormField(max_length=200, label=gettext_lazy("The person's name, to confirm"))
    reason = forms.CharField(
        max_length=200,
        label=gettext_lazy("Why"),
        help_text=gettext_lazy("Kept for good with the report. Do not name the person here."),
    )


class DeleteGalleryForm(forms.Form):
    confirm = NameFormField(max_length=100, label=gettext_lazy("The gallery's name, to confirm"))
    reason = forms.CharField(
        max_length=200,
        required=False,
        label=gettext_lazy("Why"),
        help_text=gettext_lazy("Kept for good with the report. Do not name anybody here."),
    )
