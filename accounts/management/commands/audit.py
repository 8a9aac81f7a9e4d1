"""Verifies that nobody has changed the audit, or exports it as JSON lines."""

import json
import sys
from contextlib import nullcontext
from datetime import datetime, time
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from accounts.audit import chain


class Command(BaseCommand):
    help = "Verifies the audit's hash chain, or exports the audit."

    def add_arguments(self, parser):
        actions = parser.add_subparsers(dest="action", required=True)
        verify = actions.add_parser("verify", help="exit with status 1 if an event was changed or deleted")
        verify.add_argument(
            "--expect", metavar="NUMBER:DIGEST", help="a head of the chain that an earlier verify printed"
        )
        export = actions.add_parser("export", help="JSON lines, oldest first")
        export.add_argument("file", nargs="?", type=Path, metavar="FILE", help="default: standard output")
        export.add_argument("--since", metavar="DATE", help="such as 2026-01-31 or 2026-01-31T12:00+01:00")

    def handle(self, *, action, **options):
        getattr(self, action)(**options)

    def verify(self, *, expect, **options):
        chain.seal(everything=True)
        result = chain.verify(expect=_head(expect) if expect else None)
        for erasure, events in result.redacted.items():
            self.stdout.write(f"{events} events: name and details redacted by the erasure {erasure}")
        if result.broken:
            raise CommandError(f"The audit was tampered with. {result.broken}")
        self.stdout.write(f"{result.sealed} events are as they were written.")
        if result.sealed:
            self.stdout.write(f"Head of the chain; write it down elsewhere: {result.sealed}:{result.head.hex()}")

    def export(self, *, file, since, **options):
        moment = _moment(since) if since else None
        count = 0
        with file.open("w", encoding="utf-8") if file else nullcontext(self.stdout) as out:
            for event in chain.events_with_seals(since=moment):
                out.write(json.dumps(event, cls=DjangoJSONEncoder, ensure_ascii=False) + "\n")
                count += 1
        print(f"{count} events exported.", file=sys.stderr)


def _head(text: str) -> tuple[int, bytes]:
    number, _, digest = text.partition(":")
    try:
        return int(number), bytes.fromhex(digest)
    except ValueError as error:
        raise CommandError("--expect takes NUMBER:DIGEST, as printed by “audit verify”.") from error


def _moment(text: str):
    try:
        if moment := parse_datetime(text):
            return moment if timezone.is_aware(moment) else timezone.make_aware(moment)
        if day := parse_date(text):
            return timezone.make_aware(datetime.combine(day, time()))
    except ValueError:
        pass
    raise CommandError(f"--since {text}: give a date such as 2026-01-31, or 2026-01-31T12:00+01:00.")
