"""Restores a backup, and what belongs to it: erasures since, and model packs."""

import json
import sys
from contextlib import nullcontext
from pathlib import Path

from django.core.management.base import BaseCommand

from accounts.actor import cli_actor
from recognition.backups.restoring import reinstall_packs, restore
from recognition.privacy.erasure import ERASURES_FILE, report_of


class Command(BaseCommand):
    help = "Restores a backup into an empty platform, which must not run meanwhile."
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument("file", metavar="FILE", help="the backup; - for standard input")
        parser.add_argument("--replace", action="store_true", help="replace what is there, after backing it up")
        parser.add_argument(
            "--erasures",
            type=Path,
            nargs="+",
            default=[],
            metavar="FILE",
            help="lists of erasures, besides erasures.jsonl in the data directory and beside the backup",
        )
        parser.add_argument("--identity", type=Path, metavar="FILE", help="the age key that opens an encrypted backup")

    def handle(self, *, file, replace, erasures, identity, **options):
        beside = Path(file).absolute().with_name(ERASURES_FILE)
        lists = [*erasures, *([beside] if file != "-" and beside.is_file() else [])]
        with nullcontext(sys.stdin.buffer) if file == "-" else Path(file).open("rb") as source:
            outcome = restore(
                source, actor=cli_actor(), replace=replace, erasures=lists, identity=identity, say=self.say
            )
        if outcome.replaced:
            self.say(f"What was there before is in {outcome.replaced}")
        for erasure in outcome.erased:
            self.stdout.write(json.dumps(report_of(erasure)))
        self.say(f"{len(outcome.erased)} erasures since the backup were done again.")
        for problem in reinstall_packs(outcome.manifest, say=self.say):
            self.say(f"Warning: {problem}")
        self.say(
            f"The backup of {outcome.manifest['made_at']} is restored. Everybody signs in again. Start the platform: manage.py up"
        )

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)
