"""Lets go what galleries keep no longer, or with --dry-run says what would go. The daily job does the same."""

from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import filesizeformat

from accounts.actor import cli_actor
from gallery.models import Gallery
from recognition.privacy.retention import due_today
from recognition.privacy.services import apply_retention


class Command(BaseCommand):
    help = "Deletes what is past its retention: recognitions, photos, unknown faces, imports."

    def add_arguments(self, parser):
        parser.add_argument("--gallery", metavar="SLUG", help="this one alone")
        parser.add_argument("--dry-run", action="store_true", help="say what would go, and delete nothing")

    def handle(self, *, gallery, dry_run, **options):
        galleries = Gallery.objects.filter(slug=gallery) if gallery else Gallery.objects.all()
        if gallery and not galleries:
            raise CommandError(f"There is no gallery “{gallery}”.")
        for one in galleries:
            self.stdout.write(one.slug)
            for due in due_today(one):
                kept = "kept for ever" if due.days is None else f"kept {due.days} days"
                oldest = f", the oldest of {due.oldest:%Y-%m-%d}" if due.oldest else ""
                size = filesizeformat(due.bytes).replace("\xa0", " ")
                self.stdout.write(f"  {due.label}: {kept}; {due.count} past it{oldest}, {size}")
            if not dry_run:
                gone = apply_retention(actor=cli_actor(), gallery=one)
                self.stdout.write("  gone: " + ", ".join(f"{count} {name}" for name, count in gone.items()))
