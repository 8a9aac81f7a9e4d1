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
        "only read. Ctrl-C stops it; the same command goes on, and does nothing twice."
    )

    def add_arguments(self, parser):
        parser.add_argument("--url", required=True, help="such as http://compreface:8000")
        parser.add_argument(
            "--key",
            default=os.environ.get(KEY_VARIABLE, ""),
            help=f"the recognition service's API key; better in {KEY_VARIABLE}, where other users do not see it",
        )
        super().add_arguments(parser)

    def source(self, *, url: str, key: str, **options):
        if not key:
            raise CommandError(f"Give the key of CompreFace's recognition service: --key KEY, or {KEY_VARIABLE}.")
        client = CompreFaceClient(url, key)
        return CompreFaceSource(client), client.url, client.place

    def no_photos_message(self, *, url: str, **options):
        return f"CompreFace at {url} has no faces under this key. Is it the key of a recognition service?"

    def prepare(self, actor, gallery, source):
        for name in prepare_subjects(actor=actor, gallery=gallery, names=source.subjects()):
            self.stdout.write(
                f"There was somebody else called {name} in the gallery. Look at both; merge them if they are one person."
            )
