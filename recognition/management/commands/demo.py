"""Makes a gallery to look around in, once; `manage.py up --demo` calls it."""

from django.core.management.base import BaseCommand, CommandError

from accounts.actor import cli_actor
from faceplatform.errors import DomainError
from recognition.demo.samples import SLUG
from recognition.demo.services import make_demo
from recognition.photos.worker import Unfit


class Command(BaseCommand):
    help = (
        "Makes the gallery “demo”: two public-domain portraits, and a video of both as a camera. If it is there, nothing is "
        "done. To remove it: manage.py delete_gallery demo --confirm demo"
    )
    requires_system_checks = []

    def handle(self, **options):
        try:
            made = make_demo(actor=cli_actor())
        except DomainError as error:
            raise CommandError(error.message) from error
        except (OSError, Unfit) as error:
            raise CommandError(f"The demo cannot be made: {error}") from error
        said = "Made the gallery “{slug}”." if made else "There is a gallery “{slug}” already."
        self.stdout.write(f"{said.format(slug=SLUG)} To remove it: manage.py delete_gallery {SLUG} --confirm {SLUG}")
