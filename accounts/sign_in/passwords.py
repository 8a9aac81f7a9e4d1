"""What a password must be: NIST SP 800-63B-4, section 3.1.1.2. Long and not a common one; nothing about its characters."""

import re
from typing import Any

from django.contrib.auth.password_validation import CommonPasswordValidator
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from accounts.sign_in.factors import has_factor, needs_factor

ALONE, WITH_FACTOR = 15, 8  # characters


class LengthValidator:
    """15 characters where the password is all that is asked for, 8 where a second factor is."""

    def validate(self, password: str, user: Any = None) -> None:
        least = _least(user)
        if len(password) < least:
            raise ValidationError(
                _("This password is too short. It must have at least %(least)s characters.") % {"least": least},
                code="password_too_short",
            )

    def get_help_text(self) -> str:
        return _(
            "At least %(alone)s characters, or %(with_factor)s where you also have a second factor. A few words in a row are "
            "easy to remember; there are no rules about digits or signs."
        ) % {"alone": ALONE, "with_factor": WITH_FACTOR}


class CommonValidator(CommonPasswordValidator):
    """Nor a common password several times in a row, nor a few characters so."""

    def validate(self, password: str, user: Any = None) -> None:
        repeated = re.fullmatch(r"(.+?)\1+", password)
        if repeated and len(repeated[1]) < WITH_FACTOR:
            raise ValidationError(_("This password is too common."), code="password_too_common")
        super().validate(repeated[1] if repeated else password, user)


def _least(user: Any) -> int:
    if user is None or user._state.adding:
        return ALONE
    return WITH_FACTOR if has_factor(user) or needs_factor(user) else ALONE
