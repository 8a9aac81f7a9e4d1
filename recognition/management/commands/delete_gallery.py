"""Closes a gallery to be deleted, or undoes that; without confirmation, shows what would be deleted."""

import json

from django.core.management.base import BaseCommand, CommandError

from accounts.actor import cli_actor
from faceplatform.errors import DomainError
from gallery.closing import close_gallery, reopen_gallery
from gallery.models import Gallery
from recognition.privacy.gallery_deletion import deletion_as_dict


class Command(BaseCommand):
    help = (
        "Shows what would go with a gallery; deletes it with --confirm after a waiting time, until which --undo works."
    )

    def add_arguments(self, parser):
        parser.add_argument("slug")
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--confirm", metavar="SLUG", help="the slug again: closes the gallery, to be deleted")
        what.add_argument("--undo", action="store_true", help="opens the gallery again")
        parser.add_argument("--reason", default="", help="why; it is kept with the report")

    def handle(self, *, slug, confirm, undo, reason, **options):
        gallery = Gallery.objects.filter(slug=slug).first()
        if gallery is None:
            raise CommandError(f"There is no gallery “{slug}”.")
        if confirm not in (None, slug):
            raise CommandError(f"--confirm must be {slug}. Nothing was changed.")
        try:
            if undo:
                gallery = reopen_gallery(actor=cli_actor(), gallery=gallery)
            elif confirm:
                gallery = close_gallery(actor=cli_actor(), gallery=gallery, reason=reason)
        except DomainError as error:
            raise CommandError(error.message) from error
        self.stdout.write(json.dumps(deletion_as_dict(gallery), indent=1))
