"""Enrols people from a folder, ZIP or CSV. Works without a running platform; running workers help."""

from pathlib import Path

from recognition.imports.command import ImportCommand
from recognition.imports.services import place_of
from recognition.imports.sources import FileSource


class Command(ImportCommand):
    help = (
        "Enrols people from a folder with a folder per person, a ZIP of one, or a CSV (name, external_id, department, "
        "position, photo). Ctrl-C stops it; the same command goes on, and does nothing twice."
    )

    def add_arguments(self, parser):
        parser.add_argument("source", type=Path, metavar="DIR|ZIP|CSV")
        super().add_arguments(parser)

    def source(self, *, source: Path, **options):
        return FileSource(source), source.name, place_of(source)

    def no_photos_message(self, *, source: Path, **options):
        return f"No photos in {source}. It needs a folder per person, with photos in it."
