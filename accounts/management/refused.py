"""Two commands of Django that go round the accounts' service, and so round the audit. See `manage.py administrator`."""

import sys

from django.core.management.base import BaseCommand, CommandError

INSTEAD = (
    "Run manage.py administrator NAME instead: it makes the account an active administrator with a new password, which it "
    "prints once, and is in the audit. Everybody else's password is set in the admin site."
)


class Refused(BaseCommand):
    help = INSTEAD
    requires_system_checks = []

    def run_from_argv(self, argv):
        """Whatever arguments it is given."""
        sys.exit(INSTEAD)

    def handle(self, **options):
        raise CommandError(INSTEAD)
