"""Names in the database: a column for them, and how they are searched without regard to case and accents."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import CharField, Lookup, TextField

from faceplatform.errors import InvalidInput
from faceplatform.text import clean_name, control_character

CONTROLS = "This holds a control character (%(found)s), such as a line break. Remove it, or type the text anew."


def refuse_controls(value: str) -> None:
    """A validator. Raises ValidationError."""
    if found := control_character(clean_name(value)):
        raise ValidationError(CONTROLS, code="control_character", params={"found": found})


def checked_name(text: str, what: str = "name") -> str:
    """The name as it is kept, for what has no model to validate it. Raises InvalidInput."""
    name = clean_name(text)
    if found := control_character(name):
        raise InvalidInput(f"{what}: " + CONTROLS % {"found": found})
    return name


class NameFormField(forms.CharField):
    """A field of a form for a name: cleaned before its length counts. The browser is told no length: it counts as typed."""

    def to_python(self, value: Any) -> Any:
        value = super().to_python(value)
        return clean_name(value) if isinstance(value, str) else value

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {name: value for name, value in super().widget_attrs(widget).items() if name != "maxlength"}


class NameField(CharField):
    """A CharField whose values are cleaned (`clean_name`) wherever they are validated, saved or compared with.

    In lookups that take a pattern, such as `iexact`, clean the text yourself.
    """

    default_validators = [refuse_controls]

    def to_python(self, value: Any) -> Any:
        value = super().to_python(value)
        return clean_name(value) if isinstance(value, str) else value

    def formfield(self, **options: Any) -> Any:
        return super().formfield(**{"form_class": NameFormField, **options})

    def deconstruct(self) -> Any:
        """As Django's own: the column is the same, and no migration depends on this class."""
        name, _, arguments, options = super().deconstruct()
        return name, "django.db.models.CharField", arguments, options


# Accents go (U+0300–036F, and the Arabic and Hebrew signs that are left out as often as not), but no vowel signs of other
# scripts. What is left is composed again: in Korean or Japanese a syllable is not part of another.
FOLDED = (
    "regexp_replace(replace(replace(replace(translate(lower(normalize(regexp_replace(normalize({text}, NFKD), "
    "U&'[\\0300-\\036F\\0591-\\05BD\\05BF-\\05C7\\064B-\\065F\\0670\\0640\\200C\\200D]', '', 'g'), NFC)), "
    "'øłđħıς', 'oldhiσ'), 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), '[ \\t]+', ' ', 'g')"
)


ESCAPED = r"'([\\%%_])', '\\\1'"  # what LIKE takes for more than it is


def folded_sql(text: str) -> str:
    """SQL for the text that is left of the SQL `text` when neither case nor accents count. Immutable."""
    return FOLDED.replace("{text}", text)


class SearchableField(TextField):
    """Names that a trigger has folded already, so that a search need not."""

    def deconstruct(self) -> Any:
        name, _, arguments, options = super().deconstruct()
        return name, "django.db.models.TextField", arguments, options


@NameField.register_lookup
@SearchableField.register_lookup
class Alike(Lookup):
    """`name__alike`: the name contains the text; neither case nor accents count, nor how either was typed."""

    lookup_name = "alike"
    prepare_rhs = False

    def get_prep_lookup(self) -> str:
        return " ".join(clean_name(str(self.rhs)).split())

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        column, parameters = self.process_lhs(compiler, connection)
        if not isinstance(self.lhs.output_field, SearchableField):
            column = folded_sql(column)
        text = f"regexp_replace({folded_sql('%s::text')}, {ESCAPED}, 'g')"
        return f"{column} LIKE '%%' || {text} || '%%'", [*parameters, self.rhs]
