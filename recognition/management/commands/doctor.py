"""One page of what is wrong with this installation, and what to do."""

import sys

from django.core.management.base import BaseCommand

from recognition.monitoring.doctor import ERROR, OK, WARNING, examine

MARKS = {OK: "  ok   ", WARNING: "  !    ", ERROR: "  XX   "}


class Command(BaseCommand):
    help = "Says what is wrong with this installation and what to do. Exit status: 0 fine, 1 errors, 2 warnings alone."
    requires_system_checks = []

    def handle(self, **options):
        found = {OK: 0, WARNING: 0, ERROR: 0}
        for finding in examine():
            found[finding.level] += 1
            self.stdout.write(f"{MARKS[finding.level]}{finding.about:<12} {finding.text}")
        self.stdout.write(f"{found[ERROR]} errors, {found[WARNING]} warnings.")
        if found[ERROR] or found[WARNING]:
            sys.exit(1 if found[ERROR] else 2)
