"""Accounts from the command line: also the way back in when nobody can sign in any more."""

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.actor import cli_actor
from accounts.galleries import GalleryRow, galleries
from accounts.models import Membership, User
from accounts.roles import Role
from accounts.users import invitations, services
from accounts.users.reading import described
from faceplatform import env
from faceplatform.errors import DomainError

ROLES = {role.name.lower(): role for role in Role}


class Command(BaseCommand):
    help = "Creates, lists and changes accounts."

    def add_arguments(self, parser):
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="make an account, and print a link to choose its password, once")
        create.add_argument("name")
        create.add_argument("--email", default="")
        create.add_argument("--gallery", metavar="SLUG")
        create.add_argument("--role", choices=ROLES, default="viewer", help="in the gallery, %(default)s")
        create.add_argument("--staff", action="store_true")
        create.add_argument("--administrator", action="store_true")
        actions.add_parser("list")
        role = actions.add_parser("role", help="give a role in a gallery, or take it away")
        role.add_argument("name")
        role.add_argument("gallery", metavar="SLUG")
        role.add_argument("role", choices=[*ROLES, "none"])
        for action, told in (
            ("disable", "switch an account off: its sessions end, its keys are refused"),
            ("enable", "switch it on again"),
            ("link", "print a link with which the user chooses a password and is signed in, once, within 72 hours"),
            ("reset-mfa", "take second factors away that were lost"),
            ("unlock", "forget failed attempts to sign in"),
        ):
            actions.add_parser(action, help=told).add_argument("name")

    def handle(self, *, action, **options):
        try:
            getattr(self, action.replace("-", "_"))(**options)
        except DomainError as error:
            raise CommandError(error.message) from error

    def create(self, *, name, email, gallery, role, staff, administrator, **options):
        user, path = invitations.invite(
            actor=cli_actor(),
            username=name,
            email=email,
            gallery=_gallery(gallery) if gallery else None,
            role=ROLES[role],
            is_staff=staff,
            is_administrator=administrator,
        )
        self._print_link(user, path)

    def list(self, **options):
        for row in described(cli_actor(), User.objects.order_by("username")):
            user = row["user"]
            rank = "administrator" if user.is_superuser else "staff" if user.is_staff else ""
            state = "" if user.is_active else "switched off"
            marks = [
                rank,
                state,
                "invited" * row["invited"],
                "second factor" * row["has_factor"],
                "locked" * row["locked"],
            ]
            roles = [f"{role.get_role_display().lower()} of {role.gallery.slug}" for role in row["roles"]]
            seen = f"last sign-in {user.last_login:%Y-%m-%d}" if user.last_login else "never signed in"
            self.stdout.write("  ".join([user.username, *filter(None, marks), *roles, seen, f"{row['keys']} keys"]))

    def role(self, *, name, gallery, role, **options):
        user, row = _user(name), _gallery(gallery)
        if role != "none":
            services.set_membership(actor=cli_actor(), gallery=row, user=user, role=ROLES[role])
            return
        membership = Membership.objects.filter(user=user, gallery_id=row.pk).select_related("user", "gallery").first()
        if membership is None:
            raise CommandError(f"{user} is not a member of “{gallery}”.")
        services.remove_membership(actor=cli_actor(), membership=membership)

    def disable(self, *, name, **options):
        services.set_active(actor=cli_actor(), user=_user(name), active=False)

    def enable(self, *, name, **options):
        services.set_active(actor=cli_actor(), user=_user(name), active=True)

    def link(self, *, name, **options):
        user = _user(name)
        self._print_link(user, invitations.make_link(actor=cli_actor(), user=user))

    def reset_mfa(self, *, name, **options):
        services.reset_factors(actor=cli_actor(), user=_user(name))

    def unlock(self, *, name, **options):
        services.unlock(actor=cli_actor(), user=_user(name))

    def _print_link(self, user, path):
        self.stderr.write(f"With this link {user} chooses a password. It works once, for 72 hours:")
        host = next((host.lstrip(".") for host in settings.ALLOWED_HOSTS if host != "*"), "localhost")
        port = env.get("FACEPLATFORM_PORT")
        self.stdout.write(f"https://{host}{path}" if settings.HTTPS else f"http://{host}:{port}{path}")


def _user(name: str) -> User:
    user = User.objects.filter(username=name).first()
    if user is None:
        raise CommandError(f"There is no user “{name}”.")
    return user


def _gallery(slug: str) -> GalleryRow:
    row: GalleryRow | None = galleries().filter(slug=slug).first()
    if row is None:
        raise CommandError(f"There is no gallery “{slug}”.")
    return row
