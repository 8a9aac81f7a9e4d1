"""Creates, lists, rotates and revokes API keys. A new key is the only output on stdout."""

from django.core.management.base import BaseCommand, CommandError

from accounts.actor import cli_actor
from accounts.galleries import galleries
from accounts.keys import services
from accounts.models import ApiKey, User
from accounts.roles import Scope
from faceplatform.errors import DomainError


class Command(BaseCommand):
    help = "Creates, lists, rotates and revokes API keys."

    def add_arguments(self, parser):
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="print a new key, once, as the only output on stdout")
        create.add_argument("--user", required=True, metavar="NAME")
        create.add_argument("--gallery", metavar="SLUG", help="limit the key to this gallery")
        create.add_argument("--scopes", nargs="+", choices=Scope.values, default=[Scope.RECOGNIZE, Scope.READ])
        create.add_argument("--expires", type=int, metavar="DAYS", help="default: never")
        create.add_argument("--name", default="")
        actions.add_parser("list")
        revoke = actions.add_parser("revoke")
        revoke.add_argument("prefix", help="the key's first characters, as list shows them")

        rotate = actions.add_parser("rotate", help="print a new key like the old one, which stays valid for some hours")
        rotate.add_argument("prefix", help="the key's first characters, as list shows them")
        rotate.add_argument(
            "--grace", type=int, default=24, metavar="HOURS", help="how long the old key stays valid, %(default)s"
        )

    def handle(self, *, action, **options):
        try:
            getattr(self, f"{action}_key")(**options)
        except DomainError as error:
            raise CommandError(error.message) from error

    def create_key(self, *, user, gallery, scopes, expires, name, **options):
        owner = User.objects.filter(username=user).first()
        if owner is None:
            raise CommandError(f"There is no user “{user}”.")
        row = None
        if gallery:
            row = galleries().filter(slug=gallery).first()
            if row is None:
                raise CommandError(f"There is no gallery “{gallery}”.")
        _, key = services.create_api_key(
            actor=cli_actor(),
            user=owner,
            gallery=row,
            scopes=scopes,
            name=name,
            days=expires,
        )
        self.stdout.write(key)

    def list_key(self, **options):
        for key in ApiKey.objects.select_related("user", "gallery"):
            state = "revoked" if key.revoked_at else f"expires {key.expires_at:%Y-%m-%d}" if key.expires_at else "valid"
            state += ", too long: rotate it" if key.lives_too_long else ""
            where = key.gallery.slug if key.gallery else "all galleries"
            self.stdout.write(f"{key.prefix}…  {key.user}  {where}  {','.join(key.scopes)}  {state}  {key.name}")

    def revoke_key(self, *, prefix, **options):
        key = self._key(prefix)
        services.revoke_api_key(actor=cli_actor(), api_key=key)
        self.stdout.write(f"Revoked {key}")

    def rotate_key(self, *, prefix, grace, **options):
        _, key = services.rotate_api_key(actor=cli_actor(), api_key=self._key(prefix), grace_hours=grace)
        self.stdout.write(key)

    def _key(self, prefix: str) -> ApiKey:
        keys = list(ApiKey.objects.filter(prefix__startswith=prefix))
        if len(keys) != 1:
            raise CommandError(f"{len(keys)} keys start with “{prefix}”. Give the whole prefix, as list shows it.")
        return keys[0]
