"""Enrols people from a folder, ZIP or CSV. Works without a running platform; running workers help."""

from pathlib import Path

from recognition.imports.command import ImportCommand
from recognition.imports.services import place_of
from recognition.imports.sources import FileSource


class Command(ImportCommand):
    help = (
        "Enrols people from a folder with one folder per person, a ZIP of such a folder, or a CSV (name, external_id, "
        "department, position, photo). Ctrl-C stops the import; the same command continues it, without importing anything "
        "twice."
    )

    def add_arguments(self, parser):
        parser.add_argument("source", type=Path, metavar="DIR|ZIP|CSV")
        super().add_arguments(parser)

    def source(self, **options):
        path: Path = options["source"]
        return FileSource(path), path.name, place_of(path)

    def no_photos_message(self, **options):
        return f"There are no photos in {options['source']}. It needs a folder per person, with photos in it."
