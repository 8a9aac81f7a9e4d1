"""Model packs: what is known, installing, checking."""

from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from recognition.packs.install import catalogue, install_pack
from recognition.packs.manifest import PackError, load_manifest, verify_pack


class Command(BaseCommand):
    help = "Lists, installs and verifies model packs."
    requires_system_checks = []

    def add_arguments(self, parser):
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("list", help="known and installed packs, with their licences")
        install = actions.add_parser("install", help="fetch, check and convert a pack")
        install.add_argument("name")
        install.add_argument("--from", dest="source", type=Path, help="folder or file with the published packages")
        install.add_argument("--force", action="store_true", help="install again over what is there")
        verify = actions.add_parser("verify", help="check the sha256 of every file")
        verify.add_argument("name", nargs="?")

    def handle(self, *, action, **options):
        try:
            getattr(self, f"{action}_packs")(**options)
        except PackError as error:
            raise CommandError(str(error)) from error

    def list_packs(self, **options):
        for name in sorted({*catalogue(), *self._installed()}):
            entry = catalogue().get(name)
            licence = entry["licence"] if entry else load_manifest(settings.MODELS_DIR / name).licence
            state = "installed" if name in self._installed() else "not installed"
            self.stdout.write(f"{name:20} {state:14} {licence}")

    def install_packs(self, *, name, source, force, **options):
        install_pack(name, settings.MODELS_DIR, source=source, force=force, progress=self.stdout.write)

    def verify_packs(self, *, name, **options):
        for pack in [name] if name else self._installed():
            manifest = verify_pack(settings.MODELS_DIR / pack)
            self.stdout.write(f"{pack}: {len(manifest.files)} files are whole; {manifest.licence}")

    @staticmethod
    def _installed() -> list[str]:
        return sorted(path.parent.name for path in settings.MODELS_DIR.glob("*/manifest.json"))
