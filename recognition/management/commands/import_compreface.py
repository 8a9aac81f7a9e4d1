"""Copies subjects and faces from a running CompreFace. Works without a running platform; running workers help."""

import os

from django.core.management.base import CommandError

from recognition.compreface.client import CompreFaceClient
from recognition.compreface.services import prepare_subjects
from recognition.compreface.source import CompreFaceSource
from recognition.imports.command import ImportCommand

KEY_VARIABLE = "COMPREFACE_API_KEY"


class Command(ImportCommand):
    help = (
        "Copies the subjects and faces of a CompreFace recognition service into a gallery, over its API. CompreFace is "
        "only read. Ctrl-C stops the import; the same command continues it, without importing anything twice."
    )

    def add_arguments(self, parser):
        parser.add_argument("--url", required=True, help="its address, such as http://compreface:8000")
        parser.add_argument(
            "--key",
            default=os.environ.get(KEY_VARIABLE, ""),
            help=f"the recognition service's API key; safer as {KEY_VARIABLE} in the environment, which other users cannot see",
        )
        super().add_arguments(parser)

    def source(self, **options):
        if not options["key"]:
            raise CommandError(f"Give the API key of CompreFace's recognition service: --key KEY, or {KEY_VARIABLE}.")
        client = CompreFaceClient(options["url"], options["key"])
        return CompreFaceSource(client), client.url, client.place

    def no_photos_message(self, **options):
        return f"CompreFace at {options['url']} has no faces for this key. Is it the key of a recognition service?"

    def prepare(self, actor, gallery, source):
        for name in prepare_subjects(actor=actor, gallery=gallery, names=source.subjects()):
            self.stdout.write(
                f"The gallery already had somebody called {name}. Look at both, and merge them if they are one person."
            )
