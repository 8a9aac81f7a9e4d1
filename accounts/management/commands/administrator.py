"""Helps an installation in which nobody can sign in as an administrator any more."""

from django.core.management.base import BaseCommand, CommandError

from accounts.actor import cli_actor
from accounts.users.services import make_administrator
from faceplatform.errors import DomainError


class Command(BaseCommand):
    help = "Makes an account an active administrator with a new password, printed once; creates it if there is none."

    def add_arguments(self, parser):
        parser.add_argument("username")

    def handle(self, *, username, **options):
        try:
            user, password = make_administrator(actor=cli_actor(), username=username)
        except DomainError as error:
            raise CommandError(error.message) from error
        self.stderr.write(
            f"“{user}” is an administrator. The account's sessions and API keys have ended. New password:"
        )
        self.stdout.write(password)
