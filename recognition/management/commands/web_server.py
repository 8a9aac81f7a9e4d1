"""Runs a web process."""

from django.core.management.base import BaseCommand, CommandError

from faceplatform import env
from faceplatform.web.server import serve


class Command(BaseCommand):
    help = "Serves the pages and the API until it is stopped. `manage.py up` starts one."
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument("--host", default=env.get("FACEPLATFORM_HOST"), help="address to listen on")
        parser.add_argument("--port", type=int, default=env.get("FACEPLATFORM_PORT"), help="port to listen on")

    def handle(self, *, host, port, **options):
        if not serve(host=host, port=port):
            raise CommandError(f"Port {port} on {host} cannot be used. Choose another one with --port.")
