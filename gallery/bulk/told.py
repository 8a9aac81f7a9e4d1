"""What was done with many people, in whole sentences."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from gallery.bulk.services import Done

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


@dataclass(frozen=True, slots=True)
class Told:
    """What was done: to one person, by %(name)s, if that is told apart, and to so many, by %(count)s."""

    one: "StrOrPromise"
    many: Callable[[int], str]


INACTIVE = Told(
    _("%(name)s is not active now."),
    lambda n: ngettext("%(count)s person is not active now.", "%(count)s people are not active now.", n),
)
ACTIVE = Told(
    _("%(name)s is active now."),
    lambda n: ngettext("%(count)s person is active now.", "%(count)s people are active now.", n),
)
HIDDEN = Told(
    _("%(name)s is hidden now."),
    lambda n: ngettext("%(count)s person is hidden now.", "%(count)s people are hidden now.", n),
)
SHOWN = Told(
    _("%(name)s is shown now."),
    lambda n: ngettext("%(count)s person is shown now.", "%(count)s people are shown now.", n),
)
DELETED = Told(
    _("%(name)s is deleted."),
    lambda n: ngettext("%(count)s person is deleted.", "%(count)s people are deleted.", n),
)
IN_DEPARTMENT = Told(
    _("%(name)s is in the department %(department)s now."),
    lambda n: ngettext(
        "%(count)s person is in the department %(department)s now.",
        "%(count)s people are in the department %(department)s now.",
        n,
    ),
)
IN_NO_DEPARTMENT = Told(
    _("%(name)s is in no department now."),
    lambda n: ngettext("%(count)s person is in no department now.", "%(count)s people are in no department now.", n),
)
CONSENT_NOTED = Told(
    _("%(name)s is noted with the consent “%(consent)s”."),
    lambda n: ngettext(
        "%(count)s person is noted with the consent “%(consent)s”.",
        "%(count)s people are noted with the consent “%(consent)s”.",
        n,
    ),
)
MOVED = Told(
    _("%(name)s is in the gallery %(to)s now."),
    lambda n: ngettext(
        "%(count)s person is in the gallery %(to)s now.", "%(count)s people are in the gallery %(to)s now.", n
    ),
)
MERGED = Told(
    "",
    lambda n: ngettext("%(count)s entry is merged into %(into)s.", "%(count)s people are merged into %(into)s.", n),
)


def sentences(told: Told, done: Done, values: dict[str, str]) -> str:
    """“38 people are not active now. 2 were so already. 1 had been deleted in the meantime.” values: of the placeholders."""
    told_all = [_changed(told, done, values) if done.changed else gettext("Nothing was changed.")]
    if done.same:
        text = ngettext("%(count)s was so already.", "%(count)s were so already.", done.same)
        told_all.append(text % {"count": _number(done.same)})
    if done.gone:
        text = ngettext(
            "%(count)s had been deleted or merged in the meantime, and was left out.",
            "%(count)s had been deleted or merged in the meantime, and were left out.",
            done.gone,
        )
        told_all.append(text % {"count": done.gone})
    return " ".join(told_all)


def _changed(told: Told, done: Done, values: dict[str, str]) -> str:
    if done.changed == 1 and done.event and told.one:
        return str(told.one) % {"name": done.event.object_name, **values}
    return told.many(done.changed) % {"count": _number(done.changed), **values}


def _number(count: int) -> str:
    return number_format(count, force_grouping=True)
