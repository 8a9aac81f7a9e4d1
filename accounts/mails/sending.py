"""Writes and sends an e-mail to an account, in the language of who reads it."""

from urllib.parse import urlsplit

from django.core.mail import EmailMessage
from django.db.models import TextChoices
from django.template.loader import render_to_string
from django.utils import translation

from accounts.mails.links import make_path, state_of
from accounts.models import User


class Kind(TextChoices):
    """The values are stored in waiting jobs."""

    INVITATION = "invitation", "Invitation"
    FORGOTTEN = "forgotten", "Forgotten password"


TEMPLATES = {Kind.INVITATION: "accounts/email/invitation", Kind.FORGOTTEN: "account/email/password_reset_key"}


def send_link_now(*, kind: str, user_id: str, state: str, site: str, number: str) -> bool:
    """Sends a link once; outside any transaction. Returns whether anybody was to get it.

    Nobody is whose account is gone or switched off, and who has signed in, chosen a password or got another address since.
    number: of the mail, the same at each attempt, so that a receiver can tell a second copy. Raises OSError (SMTPException is
    one) if the mail server does not take it.
    """
    user = User.objects.filter(pk=user_id, is_active=True).exclude(email="").first() if user_id else None
    if user is None or state_of(user) != state:
        return False
    with translation.override(user.language or "en"):
        subject, text = _written(TEMPLATES[Kind(kind)], user, site)
    EmailMessage(subject, text, to=[user.email], headers={"Message-ID": f"<{number}@faceplatform>"}).send()
    return True


def _written(template: str, user: User, site: str) -> tuple[str, str]:
    link = site + make_path(user)
    context = {
        "user": user,
        "username": user.username,
        "link": link,
        "password_reset_url": link,
        "current_site": {"domain": urlsplit(site).netloc},
    }
    subject = " ".join(render_to_string(f"{template}_subject.txt", context).split())
    return subject, render_to_string(f"{template}_message.txt", context).strip()
