"""Deletes what galleries no longer keep; with --dry-run, only lists it. The daily job does the same."""

from django.core.management.base import BaseCommand
from django.template.defaultfilters import filesizeformat

from accounts.actor import cli_actor
from gallery.models import Gallery
from recognition.management.galleries import find_gallery
from recognition.privacy.retention import due_today
from recognition.privacy.services import apply_retention


class Command(BaseCommand):
    help = "Deletes what is past its retention: recognitions, photos, unknown faces, imports."

    def add_arguments(self, parser):
        parser.add_argument("--gallery", metavar="SLUG", help="only this gallery")
        parser.add_argument("--dry-run", action="store_true", help="list what would be deleted, and delete nothing")

    def handle(self, *, gallery, dry_run, **options):
        for one in [find_gallery(gallery)] if gallery else Gallery.objects.all():
            self.stdout.write(one.slug)
            for due in due_today(one):
                kept = "kept for ever" if due.days is None else f"kept {due.days} days"
                oldest = f", the oldest from {due.oldest:%Y-%m-%d}" if due.oldest else ""
                size = filesizeformat(due.bytes).replace("\xa0", " ")
                self.stdout.write(f"  {due.label}: {kept}; {due.count} overdue{oldest}, {size}")
            if not dry_run:
                deleted = apply_retention(actor=cli_actor(), gallery=one)
                self.stdout.write("  deleted: " + ", ".join(f"{count} {name}" for name, count in deleted.items()))
