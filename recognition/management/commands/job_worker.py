"""Runs background jobs that need no model."""

import asyncio
import os

from django.core.management.base import BaseCommand
from procrastinate.contrib.django import app
from procrastinate.contrib.django.django_connector import DjangoConnector

from faceplatform.processes.job_worker import run_workers
from faceplatform.processes.jobs import adopt_earlier

NICENESS = 5


class Command(BaseCommand):
    help = "Runs background jobs (imports, reports, maintenance) until it is stopped. `manage.py up` starts one."
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument("--once", action="store_true", help="end when no job is waiting")

    def handle(self, *, once, **options):
        if not once:
            os.nice(NICENESS)  # people who wait for a photo come first
        adopt_earlier(app.tasks)
        assert isinstance(app.connector, DjangoConnector)
        with app.replace_connector(app.connector.get_worker_connector()) as worker_app:
            asyncio.run(_run(worker_app, once))


async def _run(app, once: bool) -> None:
    async with app.open_async():
        await run_workers(app, wait=not once)
