"""Links with which somebody chooses a password: allauth's for passwords that were forgotten, signed, good for 72 hours, and
void once a password is chosen or somebody signs in."""

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.urls import reverse
from django.utils.crypto import salted_hmac

from accounts.models import User


def make_path(user: User) -> str:
    """A new link: its path."""
    token = default_token_generator.make_token(user)
    return reverse("account_reset_password_from_key", kwargs={"uidb36": user_pk_to_url_str(user), "key": token})


def state_of(user: User) -> str:
    """Another one after whatever makes links void, or sends them elsewhere. No secret: it is signed, and signs nobody in."""
    return salted_hmac(
        "accounts.mails", f"{user.password} {user.last_login} {user.email}", algorithm="sha256"
    ).hexdigest()
